/**
 * The twins of linear.ts and gradient.ts: sums over features and sums over tokens, by their definitions (docs/numerics.md §1, §2).
 *
 * One result at a time, every operation rounded. A gradient's nodes are found by what they are (aligned, inside the range, parent not inside)
 * and their values by recursion on the tree. Not here: the kernels' blocks, groups and stacks (../wasm/).
 */
import { chunkFeatures, slabTokens, type Kernels } from '../types.js';
import { at, type View } from './view.js';

const f = Math.fround;

/** Σfeatures of term(i), i < n: chunks of 256 from +0, chunk sums ascending. */
export const sumFeatures = (n: number, term: (feature: number) => number): number => {
  let sum = 0;
  for (let first = 0; first < n; first += chunkFeatures) {
    let chunk = 0;
    for (let i = first; i < Math.min(n, first + chunkFeatures); i++) chunk = f(chunk + term(i));
    sum = first === 0 ? chunk : f(sum + chunk);
  }
  return sum;
};

/** The index of packed(feature, result) in a packed block. */
export const packedIndex = (packWidth: number, n: number, m: number, feature: number, result: number): number => {
  const group = Math.floor(result / packWidth);
  const width = Math.min(packWidth, m - group * packWidth);
  return group * packWidth * n + feature * width + (result - group * packWidth);
};

interface Node {
  readonly level: number;
  readonly index: number;
}
const parentOf = (node: Node): Node => ({ level: node.level + 1, index: Math.floor(node.index / 2) });
const firstLeafOf = (node: Node): number => node.index * 2 ** node.level;

/**
 * The leaves of samples of `slabs` slabs: slab k of sample s has the index s · span + k, span the power of two ≥ slabs. Indices between are absent.
 * Samples of one token are as samples of one slab.
 */
const leavesOf = (slabs: number) => {
  let span = 1;
  while (span < slabs) span *= 2;
  return {
    exists: (leaf: number): boolean => leaf % span < slabs,
    /** How many leaves exist before this index. */
    before: (leaf: number): number => Math.floor(leaf / span) * slabs + Math.min(leaf % span, slabs),
    /** The index of a leaf by the number of those before it. */
    at: (count: number): number => Math.floor(count / slabs) * span + (count % slabs),
    isLast: (leaf: number): boolean => leaf % span === slabs - 1,
  };
};
type Leaves = ReturnType<typeof leavesOf>;

/** The nodes whose leaves all lie in the range of existing leaves `first` … `end − 1` (numbers of those before) and whose parents' do not, ascending. */
const maximalNodes = (leaves: Leaves, first: number, end: number): Node[] => {
  const inside = (node: Node): boolean => leaves.before(firstLeafOf(node)) >= first && leaves.before(firstLeafOf(node) + 2 ** node.level) <= end;
  const nodes: Node[] = [];
  let next = first;
  while (next < end) {
    let node: Node = { level: 0, index: leaves.at(next) };
    while (inside(parentOf(node))) node = parentOf(node);
    nodes.push(node);
    next = leaves.before(firstLeafOf(node) + 2 ** node.level);
  }
  return nodes;
};

/** An absent right child hands the left one through. */
const nodeValue = (leaves: Leaves, node: Node, leaf: (index: number) => number): number => {
  if (node.level === 0) return leaf(node.index);
  const [left, right]: [Node, Node] = [{ level: node.level - 1, index: 2 * node.index }, { level: node.level - 1, index: 2 * node.index + 1 }];
  const value = nodeValue(leaves, left, leaf);
  return leaves.exists(firstLeafOf(right)) ? f(value + nodeValue(leaves, right, leaf)) : value;
};

type LinearTwins = Pick<Kernels, 'linear' | 'linearLanes' | 'linearSegment' | 'addBias' | 'gradient' | 'gradientSegment'>;

export const linearTwins = ({ floats: F }: View, packWidth: number): LinearTwins => ({
  linear(out, outStride, inp, inpStride, packed, n, m, panels) {
    for (let panel = 0; panel < panels; panel++) {
      const [y, x] = [at(out + panel * outStride), at(inp + panel * inpStride)];
      for (let j = 0; j < m; j++) {
        for (let t = 0; t < slabTokens; t++) {
          F[y + j * slabTokens + t] = sumFeatures(n, (i) => f(F[at(packed) + packedIndex(packWidth, n, m, i, j)]! * F[x + i * slabTokens + t]!));
        }
      }
    }
  },

  linearLanes(out, inp, packed, n, m, lanes) {
    for (let j = 0; j < m; j++) {
      for (let t = 0; t < lanes; t++) {
        F[at(out) + j * slabTokens + t] = sumFeatures(n, (i) => f(F[at(packed) + packedIndex(packWidth, n, m, i, j)]! * F[at(inp) + i * slabTokens + t]!));
      }
    }
  },

  linearSegment(sum, chunk, inp, packed, n, m, first, last) {
    for (let j = 0; j < m; j++) {
      for (let t = 0; t < slabTokens; t++) {
        const [s, c] = [at(sum) + j * slabTokens + t, at(chunk) + j * slabTokens + t];
        for (let i = first; i < last; i++) {
          F[c] = f(F[c]! + f(F[at(packed) + packedIndex(packWidth, n, m, i, j)]! * F[at(inp) + (i - first) * slabTokens + t]!));
          if ((i + 1) % chunkFeatures === 0 || i + 1 === n) {
            F[s] = f(F[s]! + F[c]);
            F[c] = 0;
          }
        }
      }
    }
  },

  addBias(x, stride, bias, features, panels) {
    for (let panel = 0; panel < panels; panel++) {
      for (let i = 0; i < features; i++) {
        for (let t = 0; t < slabTokens; t++) {
          const place = at(x + panel * stride) + i * slabTokens + t;
          F[place] = f(F[place]! + F[at(bias) + i]!);
        }
      }
    }
  },

  gradient(dst, nodeStride, _scratch, inp, inpStride, turned, inputs, width, panels, firstLeaf, slabsPerSample, lastTokens) {
    const leaves = leavesOf(Math.max(slabsPerSample, 1));
    const first = leaves.before(firstLeaf);
    const nodes = maximalNodes(leaves, first, first + panels);
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < width; o++) {
        const leaf = (index: number): number => {
          const panel = leaves.before(index) - first;
          const isShort = slabsPerSample === 0 ? panel === panels - 1 : leaves.isLast(index);
          const x = at(inp + panel * inpStride) + i * slabTokens;
          const dy = at(turned) + panel * slabTokens * width + o;
          let sum = 0;
          for (let t = 0; t < (isShort ? lastTokens : slabTokens); t++) sum = f(sum + f(F[x + t]! * F[dy + t * width]!));
          return sum;
        };
        nodes.forEach((node, place) => (F[at(dst + place * nodeStride) + i * width + o] = nodeValue(leaves, node, leaf)));
      }
    }
    return nodes.length;
  },

  gradientSegment(acc, inp, turned, inputs, width, firstToken, lastToken) {
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < width; o++) {
        const place = at(acc) + i * width + o;
        for (let t = firstToken; t < lastToken; t++) F[place] = f(F[place]! + f(F[at(inp) + i * slabTokens + t]! * F[at(turned) + t * width + o]!));
      }
    }
  },
});
