/**
 * The gradient of a linear block: sums over tokens by the token tree (docs/numerics.md §1, §2).
 *
 *   inp    [inputs][32]  per panel                 turned [32][width]  per panel
 *   dst    nodes [inputs][width], ascending        dw[i][o] = tree over slabs of leaf(Σ t x[i][t] · dy[o][t])
 *
 * The loop in words: for each group of R inputs, for each group of columns, for each slab: the leaf in registers, ascending over its tokens;
 * then, like a binary counter, while the node in registers is a right child whose left sibling is in the range, take that sibling off the
 * stack and add (left + right); push. Where a sample of several slabs ends, a left child has no sibling up to the sample's own node: it stands for its
 * parent as it is, and the next leaf's index jumps over the gap. At the end the stack, bottom first, is what the range leaves behind: copied to dst.
 * Not here: merging nodes of neighbouring ranges (whoever holds them adds with `add`).
 */
import { f32x4, i32, v128 } from '../assembler/expressions.js';
import type { Callee } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { panelRowBytes, slabTokens } from '../types.js';
import { innerLoop, positive, type Shape } from './build.js';
import { eachRow, forTail, multiplyAdd, registerBlock } from './linear.js';

/**
 * All slabs of one register block; returns how many nodes are left. The sample at hand ends after `left` slabs; the others have `slabs` of them on
 * `span` leaves, span a power of two.
 */
const treeKernel = (m: ModuleBuilder, shape: Shape, rows: number): Callee => {
  const nodeBytes = rows * shape.vectors * 16;
  return m.function(`gradientTree${rows}`, {
    dst: 'i32', nodeStride: 'i32', stack: 'i32', inp: 'i32', inpStride: 'i32', turned: 'i32', rowBytes: 'i32', panels: 'i32', firstLeaf: 'i32',
    left: 'i32', slabs: 'i32', span: 'i32', lastTokens: 'i32',
  }, (f, p) => {
    const sums = registerBlock(f, shape, rows);
    const leaf = f.i32('leaf', p.firstLeaf);
    const top = f.i32('top', p.stack);
    const [x, y, tokens, node, to] = [f.i32('x'), f.i32('y'), f.i32('tokens'), f.i32('node'), f.i32('to')];
    const [start, size, reach] = [f.i32('start'), f.i32('size'), f.i32('reach')];
    const offset = (row: number, v: number): number => (row * shape.vectors + v) * 16;
    f.doWhile(() => {
      eachRow(f, sums, (sum) => f.set(sum, v128.zero()));
      f.set(x, p.inp);
      f.set(y, p.turned);
      f.set(tokens, i32.const(slabTokens));
      f.set(start, leaf);
      f.set(size, i32.const(1));
      // How far a node grows without a right sibling: at a sample's end, to the sample.
      f.set(reach, i32.const(1));
      f.advance(leaf, 1);
      f.set(p.left, i32.sub(p.left, 1));
      f.if(i32.eqz(p.left), () => {
        f.set(tokens, p.lastTokens);
        f.set(reach, p.span);
        f.advance(leaf, i32.sub(p.span, p.slabs));
        f.set(p.left, p.slabs);
      });
      innerLoop(f, shape, tokens, () => {
        multiplyAdd(f, shape, rows, sums, x, (row) => row * panelRowBytes, y);
        f.advance(x, 4);
        f.advance(y, p.rowBytes);
      });
      // The node in registers covers leaves start … start+size−1. The bit `size` of start tells a right child from a left one.
      f.while(isRightOfAnother(), () => {
        f.set(top, i32.sub(top, nodeBytes));
        eachRow(f, sums, (sum, row, v) => f.set(sum, f32x4.add(v128.load(top, offset(row, v)), sum)));
        f.set(start, i32.sub(start, size));
        f.set(size, i32.shl(size, 1));
      });
      eachRow(f, sums, (sum, row, v) => f.store(top, sum, offset(row, v)));
      // Where it may stand for its parent the rest goes on in memory, which is rare: the loop above keeps its registers.
      f.if(i32.gt_s(reach, 1), () => f.while(i32.or(isRightOfAnother(), growsAlone()), () => {
        f.if(i32.and(start, size), () => {
          f.set(top, i32.sub(top, nodeBytes));
          eachRow(f, sums, (_, row, v) => f.store(top, f32x4.add(v128.load(top, offset(row, v)), v128.load(top, nodeBytes + offset(row, v))), offset(row, v)));
          f.set(start, i32.sub(start, size));
        });
        f.set(size, i32.shl(size, 1));
      }));
      f.advance(top, nodeBytes);
      f.advance(p.inp, p.inpStride);
      f.advance(p.turned, i32.mul(p.rowBytes, slabTokens));
      f.set(p.panels, i32.sub(p.panels, 1));
    }, p.panels);
    f.set(node, p.stack);
    f.doWhile(() => {
      f.set(to, p.dst);
      for (let row = 0; row < rows; row++) {
        for (let v = 0; v < shape.vectors; v++) f.store(to, v128.load(node, offset(row, v)), v * 16);
        f.advance(to, p.rowBytes);
      }
      f.advance(p.dst, p.nodeStride);
      f.advance(node, nodeBytes);
    }, i32.ne(node, top));
    f.result(i32.div_u(i32.sub(top, p.stack), nodeBytes));

    function isRightOfAnother() {
      return i32.and(i32.ne(i32.and(start, size), 0), i32.ge_s(i32.sub(start, size), p.firstLeaf));
    }
    function growsAlone() {
      return i32.and(i32.eqz(i32.and(start, size)), i32.lt_s(size, reach));
    }
  }, { export: false, result: 'i32' });
};

/** A few tokens of a leaf, continuing what is stored. */
const tokensKernel = (m: ModuleBuilder, shape: Shape, rows: number): Callee =>
  m.function(`gradientTokens${rows}`, { acc: 'i32', inp: 'i32', turned: 'i32', rowBytes: 'i32', tokens: 'i32' }, (f, p) => {
    const sums = registerBlock(f, shape, rows);
    const to = f.i32('to');
    const eachStored = (body: (sum: (typeof sums)[number][number], v: number) => void): void => {
      f.set(to, p.acc);
      for (const line of sums) {
        line.forEach(body);
        f.advance(to, p.rowBytes);
      }
    };
    eachStored((sum, v) => f.set(sum, v128.load(to, v * 16)));
    innerLoop(f, shape, p.tokens, () => {
      multiplyAdd(f, shape, rows, sums, p.inp, (row) => row * panelRowBytes, p.turned);
      f.advance(p.inp, 4);
      f.advance(p.turned, p.rowBytes);
    });
    eachStored((sum, v) => f.store(to, sum, v * 16));
  }, { export: false });

export const defineGradient = (m: ModuleBuilder, shape: Shape): void => {
  const R = shape.rows;
  const columnBytes = shape.vectors * 16;
  const widths = Array.from({ length: R }, (_, index) => index + 1);
  const tree = new Map(widths.map((rows) => [rows, treeKernel(m, shape, rows)]));
  const tokens = new Map(widths.map((rows) => [rows, tokensKernel(m, shape, rows)]));

  m.function('gradient', {
    dst: 'i32', nodeStride: 'i32', scratch: 'i32', inp: 'i32', inpStride: 'i32', turned: 'i32', inputs: 'i32', width: 'i32', panels: 'i32', firstLeaf: 'i32',
    slabsPerSample: 'i32', lastTokens: 'i32',
  }, (f, p) => {
    const rowBytes = f.i32('rowBytes', i32.shl(p.width, 2));
    const nodes = f.i32('nodes');
    const column = f.i32('column');
    // Samples of one token: all panels are one sample that never grows alone.
    const [left, slabs, span] = [f.i32('left', p.panels), f.i32('slabs', p.panels), f.i32('span', 1)];
    f.if(p.slabsPerSample, () => {
      f.set(slabs, p.slabsPerSample);
      f.while(i32.lt_s(span, slabs), () => f.set(span, i32.shl(span, 1)));
      f.set(left, i32.sub(slabs, i32.and(p.firstLeaf, i32.sub(span, 1))));
    });
    const columns = (rows: number): void =>
      f.for(column, 0, rowBytes, columnBytes, () =>
        f.set(nodes, f.callI32(tree.get(rows)!, i32.add(p.dst, column), p.nodeStride, p.scratch, p.inp, p.inpStride, i32.add(p.turned, column), rowBytes, p.panels, p.firstLeaf,
          left, slabs, span, p.lastTokens)));
    f.while(i32.ge_s(p.inputs, R), () => {
      columns(R);
      f.advance(p.inp, R * panelRowBytes);
      f.advance(p.dst, i32.mul(rowBytes, R));
      f.set(p.inputs, i32.sub(p.inputs, R));
    });
    forTail(f, shape, p.inputs, columns);
    f.result(nodes);
  }, { result: 'i32' });

  m.function('gradientSegment', { acc: 'i32', inp: 'i32', turned: 'i32', inputs: 'i32', width: 'i32', firstToken: 'i32', lastToken: 'i32' }, (f, p) => {
    const rowBytes = f.i32('rowBytes', i32.shl(p.width, 2));
    const column = f.i32('column');
    const count = f.i32('count', i32.sub(p.lastToken, p.firstToken));
    f.advance(p.inp, i32.shl(p.firstToken, 2));
    f.advance(p.turned, i32.mul(p.firstToken, rowBytes));
    const columns = (rows: number): void =>
      f.for(column, 0, rowBytes, columnBytes, () => f.call(tokens.get(rows)!, i32.add(p.acc, column), p.inp, i32.add(p.turned, column), rowBytes, count));
    f.if(positive(count), () => {
      f.while(i32.ge_s(p.inputs, R), () => {
        columns(R);
        f.advance(p.inp, R * panelRowBytes);
        f.advance(p.acc, i32.mul(rowBytes, R));
        f.set(p.inputs, i32.sub(p.inputs, R));
      });
      forTail(f, shape, p.inputs, columns);
    });
  });
};
