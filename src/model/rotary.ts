/**
 * The tables of rotary positions: cosine and sine of every place's angles, rounded once to f32 (docs/numerics.md §11).
 *
 *   θ, scaling ─▶ frequencies, f32 ─ · place, f32 ─▶ angles ─▶ cos, sin [places][headSize / 2]
 *
 * Places count from 0 in the sample. Not here: turning (kernels), which heads are turned (cluster/), reading a config's fields (formats/).
 */
import { InvalidModel } from '../util/errors.js';
import { angleMax, cosineAndSine, power } from './elementary.js';
import type { RotaryScaling } from './graph.js';

export interface RotarySpec {
  /** Features of a head, an even number. */
  readonly headSize: number;
  /** Base of the frequencies, at least 1. */
  readonly theta: number;
  readonly scaling?: RotaryScaling;
}

const fullTurn = 6.283_185_307_179_586;

const check = ({ headSize, theta, scaling }: RotarySpec): void => {
  const refuse = (what: string, value: unknown, limit: string): never => {
    throw new InvalidModel({ what: `${what} of rotary positions`, value, limit });
  };
  if (!Number.isInteger(headSize) || headSize < 2 || headSize % 2 !== 0) refuse('headSize', headSize, 'an even number ≥ 2');
  if (!Number.isFinite(theta) || theta < 1) refuse('theta', theta, 'a finite number ≥ 1');
  if (scaling === undefined) return;
  if (!Number.isFinite(scaling.factor) || scaling.factor < 1) refuse('scaling factor', scaling.factor, 'a finite number ≥ 1');
  if (scaling.kind !== 'llama3') return;
  const { lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
  if (!(low > 0 && high > low && Number.isFinite(high))) refuse('lowFrequencyFactor and highFrequencyFactor', [low, high], '0 < low < high');
  if (!Number.isInteger(originalContext) || originalContext < 1) refuse('originalContext', originalContext, 'a whole number ≥ 1');
};

/** A frequency, slowed down so that a longer context turns no further than the one of the first training. */
const scaled = (frequency: number, scaling: RotaryScaling | undefined): number => {
  if (scaling === undefined) return frequency;
  const slow = frequency / scaling.factor;
  if (scaling.kind === 'linear') return slow;
  const { lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
  const turns = (originalContext * frequency) / fullTurn;
  if (turns < low) return slow;
  if (turns > high) return frequency;
  const share = (turns - low) / (high - low);
  return (1 - share) * slow + share * frequency;
};

/** The angle from one place to the next of each pair: headSize / 2 values. @throws InvalidModel */
export const rotaryFrequencies = (spec: RotarySpec): Float32Array => {
  check(spec);
  return Float32Array.from({ length: spec.headSize / 2 }, (_, i) => scaled(power(spec.theta, (-2 * i) / spec.headSize), spec.scaling));
};

/** cos and sin, [places][headSize / 2] each. @throws InvalidModel */
export const rotaryTables = (spec: RotarySpec & { readonly places: number }): { readonly cos: Float32Array<ArrayBuffer>; readonly sin: Float32Array<ArrayBuffer> } => {
  const { places, headSize } = spec, half = headSize / 2;
  const frequencies = rotaryFrequencies(spec);
  if (!Number.isInteger(places) || places < 0 || places > angleMax) throw new InvalidModel({ what: 'places of rotary positions', value: places, limit: angleMax });
  const cos = new Float32Array(places * half), sin = new Float32Array(places * half);
  for (let place = 0; place < places; place++) {
    for (let i = 0; i < half; i++) {
      const [c, s] = cosineAndSine(Math.fround(place * (frequencies[i] as number)));
      cos[place * half + i] = c;
      sin[place * half + i] = s;
    }
  }
  return { cos, sin };
};
