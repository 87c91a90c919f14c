/**
 * The twin of rotary positions, one pair at a time (docs/numerics.md §11). Not here: the tables (model/rotary.ts).
 */
import { slabTokens, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

export const rotaryTwins = ({ floats: F }: View): Pick<Kernels, 'rotary'> => ({
  rotary(x, heads, headSize, cos, sin, direction) {
    const half = headSize / 2;
    for (let head = 0; head < heads; head++) {
      for (let i = 0; i < half; i++) {
        for (let t = 0; t < slabTokens; t++) {
          const low = at(x) + (head * headSize + i) * slabTokens + t, high = low + half * slabTokens;
          const c = F[at(cos) + t * half + i]!, s = F[at(sin) + t * half + i]!;
          const [a, b] = [F[low]!, F[high]!];
          F[low] = direction === 1 ? f(f(a * c) - f(b * s)) : f(f(a * c) + f(b * s));
          F[high] = direction === 1 ? f(f(b * c) + f(a * s)) : f(f(b * c) - f(a * s));
        }
      }
    }
  },
});
