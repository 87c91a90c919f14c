/**
 * Gradients of a norm's gain and bias over the tokens of one slab (docs/numerics.md §10).
 *
 *   gainLeaf[f] += d[f][t] · xhat[f][t]        biasLeaf[f] += d[f][t]        t ascending
 *
 * Four features at a time: blocks of four features × four tokens are transposed, so that one addition serves four features and tokens still ascend.
 * A block whose tokens are not all wanted adds those that are. The last one to three features go one by one.
 * Not here: the rest of the norms (norms.ts).
 */
import { f32, f32x4, i32, v128, type V128 } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { panelRowBytes } from '../types.js';
import { transpose4 } from './build.js';

const { add, sub, mul } = f32x4;
type Pointer = Local<'i32'>;

const four = [0, 1, 2, 3] as const;
const params = { gainLeaf: 'i32', biasLeaf: 'i32', x: 'i32', d: 'i32', stats: 'i32', features: 'i32', firstToken: 'i32', lastToken: 'i32' } as const;

/** sum += the columns of the transposed block whose tokens are wanted: column c is token `token` + c. */
const addColumns = (f: FunctionBuilder, sums: readonly { readonly sum: Local<'v128'>; readonly columns: readonly V128[] }[], token: Pointer, first: Pointer, last: Pointer): void => {
  const addColumn = (c: number): void => sums.forEach(({ sum, columns }) => f.set(sum, add(sum, columns[c]!)));
  const isWhole = i32.and(i32.ge_s(token, first), i32.ge_s(i32.sub(last, token), 4));
  f.if(isWhole, () => four.forEach(addColumn), () =>
    four.forEach((c) => {
      const own = i32.add(token, c);
      f.if(i32.and(i32.ge_s(own, first), i32.lt_s(own, last)), () => addColumn(c));
    }));
};

/** The leaf of a segment of tokens, continuing what is stored; `biased`: with biasLeaf. */
const segment = (m: ModuleBuilder, biased: boolean): Callee =>
  m.function(biased ? 'normLeafBiased' : 'normLeafPlain', params, (f, p) => {
    const [x, d, stats, token, start] = [f.i32('toX'), f.i32('toD'), f.i32('toStats'), f.i32('token'), f.i32('start', i32.and(p.firstToken, -4))];
    const gainSum = f.v128('gainSum'), biasSum = f.v128('biasSum');
    const [mean, rstd] = [f.v128('mean'), f.v128('rstd')];
    const point = (): void => {
      f.set(x, i32.add(p.x, i32.shl(start, 2)));
      f.set(d, i32.add(p.d, i32.shl(start, 2)));
      f.set(stats, i32.add(p.stats, i32.shl(start, 2)));
    };
    f.while(i32.ge_s(p.features, 4), () => {
      f.set(gainSum, v128.load(p.gainLeaf));
      if (biased) f.set(biasSum, v128.load(p.biasLeaf));
      point();
      f.for(token, start, p.lastToken, 4, () => {
        f.set(mean, v128.load(stats));
        f.set(rstd, v128.load(stats, panelRowBytes));
        const ds = four.map((r) => f.v128(`d${r}`, v128.load(d, r * panelRowBytes)));
        const products = four.map((r) => f.v128(`product${r}`, mul(ds[r]!, mul(sub(v128.load(x, r * panelRowBytes), mean), rstd))));
        const turned = (block: readonly Local<'v128'>[], name: string): readonly V128[] =>
          transpose4(f, block as unknown as readonly [V128, V128, V128, V128], name).map((column, c) => f.v128(`${name}${c}`, column));
        const sums = [{ sum: gainSum, columns: turned(products, 'gain') }];
        if (biased) sums.push({ sum: biasSum, columns: turned(ds, 'bias') });
        addColumns(f, sums, token, p.firstToken, p.lastToken);
        for (const pointer of [x, d, stats]) f.advance(pointer, 16);
      });
      f.store(p.gainLeaf, gainSum);
      if (biased) f.store(p.biasLeaf, biasSum);
      for (const pointer of [p.x, p.d]) f.advance(pointer, 4 * panelRowBytes);
      for (const pointer of biased ? [p.gainLeaf, p.biasLeaf] : [p.gainLeaf]) f.advance(pointer, 16);
      f.set(p.features, i32.sub(p.features, 4));
    });
    const [gain, bias, own] = [f.f32('gain'), f.f32('bias'), f.f32('own')];
    f.set(start, p.firstToken);
    f.while(p.features, () => {
      f.set(gain, f32.load(p.gainLeaf));
      if (biased) f.set(bias, f32.load(p.biasLeaf));
      point();
      f.for(token, p.firstToken, p.lastToken, 1, () => {
        f.set(own, f32.load(d));
        f.set(gain, f32.add(gain, f32.mul(own, f32.mul(f32.sub(f32.load(x), f32.load(stats)), f32.load(stats, panelRowBytes)))));
        if (biased) f.set(bias, f32.add(bias, own));
        for (const pointer of [x, d, stats]) f.advance(pointer, 4);
      });
      f.storeF32(p.gainLeaf, gain);
      if (biased) f.storeF32(p.biasLeaf, bias);
      for (const pointer of [p.x, p.d]) f.advance(pointer, panelRowBytes);
      for (const pointer of biased ? [p.gainLeaf, p.biasLeaf] : [p.gainLeaf]) f.advance(pointer, 4);
      f.set(p.features, i32.sub(p.features, 1));
    });
  }, { export: false });

export const defineNormLeaves = (m: ModuleBuilder): void => {
  const plain = segment(m, false), biased = segment(m, true);
  const run = m.function('normLeafSegment', params, (f, p) => {
    const args = [p.gainLeaf, p.biasLeaf, p.x, p.d, p.stats, p.features, p.firstToken, p.lastToken] as const;
    f.if(p.biasLeaf, () => f.call(biased, ...args), () => f.call(plain, ...args));
  });
  m.function('normLeaf', { gainLeaf: 'i32', biasLeaf: 'i32', x: 'i32', d: 'i32', stats: 'i32', features: 'i32', tokens: 'i32' }, (f, p) => {
    const bytes = i32.shl(p.features, 2);
    f.memoryFill(p.gainLeaf, 0, bytes);
    f.if(p.biasLeaf, () => f.memoryFill(p.biasLeaf, 0, bytes));
    f.call(run, p.gainLeaf, p.biasLeaf, p.x, p.d, p.stats, p.features, 0, p.tokens);
  });
};
