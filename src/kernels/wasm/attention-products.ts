/**
 * The matrix products of one attention head on slabs (docs/numerics.md §12): both have the register block of a linear layer.
 *
 *   panelDot     out [slabs·32][32]  row j·32 + k: Σ f left_j[f][k] · right[f][q]        K, V panels [f][32]; right a panel of queries
 *   slabProduct  out [f][32]         Σ j (Σ k left_j[f][k] · right[j·32 + k][q])          right: rows of e, p or g
 *
 * The loops in words: for each slab (and, in panelDot, each chunk of 256 features), for each group of queries, for each group of R rows of the result: sum in
 * registers, ascending, from +0; the first sum is stored, later ones are added to what is stored. A slab of both sides stays in the nearest cache.
 * No side is packed: a panel is read as it lies, rows of the block 4 bytes (panelDot) or a feature (slabProduct) apart.
 * Rows are shared out so that no group is narrow: 32 are four groups of 5 and three of 4. Not here: softmax and what goes by element (attention.ts).
 */
import { i32, v128 } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { innerLoop, positive, type Shape } from './build.js';
import { addStored, eachRow, forTail, multiplyAdd, registerBlock, storeBlock } from './linear.js';

type Pointer = Local<'i32'>;

/** How a block reads the left side: bytes from one row of the result to the next, and from one term to the next. */
interface LeftSide {
  readonly name: string;
  readonly rowBytes: number;
  readonly termBytes: number;
}
const byKey: LeftSide = { name: 'panelDot', rowBytes: 4, termBytes: panelRowBytes };
const byFeature: LeftSide = { name: 'slabProduct', rowBytes: panelRowBytes, termBytes: 4 };

/** sums += `terms` ≥ 1 terms, ascending; uses the pointers and the count up. */
const sumTerms = (f: FunctionBuilder, shape: Shape, rows: number, side: LeftSide, sums: readonly (readonly Local<'v128'>[])[], left: Pointer, right: Pointer, terms: Pointer): void =>
  innerLoop(f, shape, terms, () => {
    multiplyAdd(f, shape, rows, sums, left, (row) => row * side.rowBytes, right);
    f.advance(left, side.termBytes);
    f.advance(right, panelRowBytes);
  });

/** `groups` ≥ 1 groups of `rows` results for one group of queries: stored, or added to what is stored. */
const blockKernel = (m: ModuleBuilder, shape: Shape, rows: number, side: LeftSide): Callee =>
  m.function(`${side.name}${rows}`, { out: 'i32', left: 'i32', right: 'i32', terms: 'i32', groups: 'i32', add: 'i32' }, (f, p) => {
    const sums = registerBlock(f, shape, rows);
    const [l, r, terms] = [f.i32('l'), f.i32('r'), f.i32('rest')];
    f.doWhile(() => {
      eachRow(f, sums, (sum) => f.set(sum, v128.zero()));
      f.set(l, p.left);
      f.set(r, p.right);
      f.set(terms, p.terms);
      sumTerms(f, shape, rows, side, sums, l, r, terms);
      f.if(p.add, () => addStored(f, sums, p.out));
      storeBlock(f, sums, p.out);
      f.advance(p.out, rows * panelRowBytes);
      f.advance(p.left, rows * side.rowBytes);
      f.set(p.groups, i32.sub(p.groups, 1));
    }, p.groups);
  }, { export: false });

/** As blockKernel by key, continuing chunk sums; where the chunk ends they go into the sums and start anew. */
const segmentKernel = (m: ModuleBuilder, shape: Shape, rows: number): Callee =>
  m.function(`panelDotPart${rows}`, { sum: 'i32', chunk: 'i32', left: 'i32', right: 'i32', terms: 'i32', groups: 'i32', ends: 'i32' }, (f, p) => {
    const sums = registerBlock(f, shape, rows);
    const [l, r, terms] = [f.i32('l'), f.i32('r'), f.i32('rest')];
    f.doWhile(() => {
      eachRow(f, sums, (sum, row, v) => f.set(sum, v128.load(p.chunk, row * panelRowBytes + v * 16)));
      f.set(l, p.left);
      f.set(r, p.right);
      f.set(terms, p.terms);
      sumTerms(f, shape, rows, byKey, sums, l, r, terms);
      f.if(p.ends, () => {
        addStored(f, sums, p.sum);
        storeBlock(f, sums, p.sum);
        eachRow(f, sums, (sum) => f.set(sum, v128.zero()));
      });
      storeBlock(f, sums, p.chunk);
      f.advance(p.sum, rows * panelRowBytes);
      f.advance(p.chunk, rows * panelRowBytes);
      f.advance(p.left, rows * 4);
      f.set(p.groups, i32.sub(p.groups, 1));
    }, p.groups);
  }, { export: false });

/** The 32 keys of a slab in groups of R and R − 1. */
const keyGroups = (shape: Shape): readonly { readonly rows: number; readonly groups: number; readonly firstKey: number }[] => {
  const R = shape.rows;
  const narrow = (R - (slabTokens % R)) % R;
  const wide = (slabTokens - narrow * (R - 1)) / R;
  return [{ rows: R, groups: wide, firstKey: 0 }, { rows: R - 1, groups: narrow, firstKey: wide * R }].filter(({ groups }) => groups > 0);
};

/** Shares features out among groups of R and R − 1; where there are too few for that, one narrower group is left. `body` for each kind of group that there is. */
const featureGroups = (f: FunctionBuilder, shape: Shape, features: Pointer) => {
  const R = shape.rows;
  const wide = f.i32('wide', i32.div_u(features, R)), narrow = f.i32('narrow'), tail = f.i32('tail', i32.rem_u(features, R));
  f.if(i32.and(i32.ne(tail, 0), i32.ge_s(i32.add(wide, tail), R - 1)), () => {
    f.set(wide, i32.sub(i32.add(wide, tail), R - 1));
    f.set(narrow, i32.sub(i32.const(R), tail));
    f.set(tail, i32.const(0));
  });
  const first = f.i32('firstFeature');
  return (body: (rows: number, groups: Pointer | number, firstFeature: Pointer) => void): void => {
    f.set(first, i32.const(0));
    for (const [groups, rows] of [[wide, R], [narrow, R - 1]] as const) {
      f.if(groups, () => body(rows, groups, first));
      f.advance(first, i32.mul(groups, rows));
    }
    forTail(f, shape, tail, (rows) => body(rows, 1, first));
  };
};

export const defineAttentionProducts = (m: ModuleBuilder, shape: Shape): void => {
  const queryBytes = shape.vectors * 16;
  const widths = Array.from({ length: shape.rows }, (_, index) => index + 1);
  const keys = keyGroups(shape);
  const dots = keys.map((group) => ({ ...group, whole: blockKernel(m, shape, group.rows, byKey), part: segmentKernel(m, shape, group.rows) }));
  const product = new Map(widths.map((rows) => [rows, blockKernel(m, shape, rows, byFeature)]));

  m.function('panelDot', { out: 'i32', left: 'i32', leftStride: 'i32', right: 'i32', features: 'i32', slabs: 'i32' }, (f, p) => {
    const [first, terms, query, l, r] = [f.i32('first'), f.i32('terms'), f.i32('query'), f.i32('l'), f.i32('r')];
    f.while(positive(p.slabs), () => {
      f.for(first, 0, p.features, chunkFeatures, () => {
        f.set(terms, i32.min_s(i32.sub(p.features, first), i32.const(chunkFeatures)));
        f.set(l, i32.add(p.left, i32.mul(first, panelRowBytes)));
        f.for(query, 0, panelRowBytes, queryBytes, () => {
          f.set(r, i32.add(p.right, i32.add(i32.mul(first, panelRowBytes), query)));
          for (const { whole, groups, firstKey } of dots) {
            f.call(whole, i32.add(i32.add(p.out, query), firstKey * panelRowBytes), i32.add(l, firstKey * 4), r, terms, groups, first);
          }
        });
      });
      f.advance(p.out, slabTokens * panelRowBytes);
      f.advance(p.left, p.leftStride);
      f.set(p.slabs, i32.sub(p.slabs, 1));
    });
  });

  m.function('panelDotSegment', { sum: 'i32', chunk: 'i32', left: 'i32', right: 'i32', first: 'i32', last: 'i32', all: 'i32' }, (f, p) => {
    const [end, ends, terms, query, at] = [f.i32('end'), f.i32('ends'), f.i32('terms'), f.i32('query'), f.i32('at')];
    // Each round is the part of first … last−1 that lies in one chunk.
    f.while(i32.lt_s(p.first, p.last), () => {
      f.set(end, i32.min_s(p.last, i32.and(i32.add(p.first, chunkFeatures), -chunkFeatures)));
      f.set(terms, i32.sub(end, p.first));
      f.set(ends, i32.or(i32.eqz(i32.and(end, chunkFeatures - 1)), i32.eq(end, p.all)));
      f.for(query, 0, panelRowBytes, queryBytes, () => {
        for (const { part, groups, firstKey } of dots) {
          f.set(at, i32.add(query, firstKey * panelRowBytes));
          f.call(part, i32.add(p.sum, at), i32.add(p.chunk, at), i32.add(p.left, firstKey * 4), i32.add(p.right, query), terms, groups, ends);
        }
      });
      f.advance(p.left, i32.mul(terms, panelRowBytes));
      f.advance(p.right, i32.mul(terms, panelRowBytes));
      f.set(p.first, end);
    });
  });

  m.function('slabProduct', { out: 'i32', left: 'i32', leftStride: 'i32', right: 'i32', features: 'i32', slabs: 'i32', add: 'i32' }, (f, p) => {
    const [query, at] = [f.i32('query'), f.i32('at')];
    const groups = featureGroups(f, shape, p.features);
    f.while(positive(p.slabs), () => {
      f.for(query, 0, panelRowBytes, queryBytes, () =>
        groups((rows, count, firstFeature) => {
          f.set(at, i32.mul(firstFeature, panelRowBytes));
          f.call(product.get(rows)!, i32.add(i32.add(p.out, query), at), i32.add(p.left, at), i32.add(p.right, query), slabTokens, count, p.add);
        }));
      f.set(p.add, i32.const(1));
      f.advance(p.right, slabTokens * panelRowBytes);
      f.advance(p.left, p.leftStride);
      f.set(p.slabs, i32.sub(p.slabs, 1));
    });
  });
};
