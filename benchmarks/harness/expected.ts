/** What the products of a linear layer must be at the checked places: sums in f64, and how far n rounded operations may be away from them. Not here: anything that is timed. */
import { checkPlaces, resultShape, type LinearShape, type Product } from '../peers/protocol.js';
import { made } from './data.js';

/** `mask`: positions of the weight that are no term, 0 there. */
const expected = (product: Product, s: LinearShape, mask?: Uint8Array): readonly { readonly value: number; readonly bound: number }[] => {
  const { tokens, inputs, outputs } = s;
  const x = made(tokens * inputs, 1, 2), w = made(inputs * outputs, 2, 2), dy = made(tokens * outputs, 3, 2);
  if (mask !== undefined) w.forEach((value, i) => void (w[i] = value * (mask[i] as number)));
  const [rows, columns] = resultShape(product, s);
  const n = product === 'forward' ? inputs : product === 'delta' ? outputs : tokens;
  const term = {
    forward: (r: number, c: number, i: number) => (x[r * inputs + i] as number) * (w[i * outputs + c] as number),
    delta: (r: number, c: number, i: number) => (dy[r * outputs + i] as number) * (w[c * outputs + i] as number),
    gradient: (r: number, c: number, i: number) => (x[i * inputs + r] as number) * (dy[i * outputs + c] as number),
  }[product];
  return checkPlaces(rows * columns).map((place) => {
    let value = 0, magnitude = 0;
    for (let i = 0; i < n; i++) {
      const t = term(Math.floor(place / columns), place % columns, i);
      value += t;
      magnitude += Math.abs(t);
    }
    return { value, bound: (n + 2) * 2 ** -24 * magnitude };
  });
};

/** Throws where a result at the checked places is further from f64 than it may be. */
export const verifyPlaces = (name: string, product: Product, s: LinearShape, check: readonly number[], mask?: Uint8Array): void => {
  expected(product, s, mask).forEach(({ value, bound }, i) => {
    const got = check[i] ?? Number.NaN;
    if (!(Math.abs(got - value) <= bound)) throw new Error(`${name}, ${product}: place ${i} is ${got}, f64 says ${value} ± ${bound}`);
  });
};
