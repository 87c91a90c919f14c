/**
 * The kernels' contract: what every kernel computes, on which layout, with which arguments.
 *
 * Two implementations: `wasm/` (WebAssembly SIMD, the hot path) and `twin/` (plain TypeScript after docs/numerics.md). They agree to the bit.
 * Not here: what a layer is (model/), where blocks lie (compiler/), who calls (cluster/).
 *
 * Legend. All addresses are byte addresses into one shared WebAssembly.Memory, 16-byte aligned; strides are in bytes; sizes are counts.
 *   panel   [features][32]  f32, tokens contiguous: 128 bytes a feature. A range of slabs is `panels` panels, `stride` bytes apart.
 *   packed  a weight block for a contraction over n with m results: groups of R results (R = packWidth), [group][n][R], the last group [n][m mod R]
 *           if m is no multiple of R. Exactly n·m floats.
 *   turned  [32][width] f32: a panel transposed, its rows padded with +0 to a multiple of 16 floats (`width`).
 *   node    [inputs][width] f32: one inner node of the token tree of a gradient block, columns beyond the block are +0.
 *   stored  the stored positions of a block of a contraction over n features with m results, in the order chunk ▸ result ▸ feature, all ascending:
 *           values f32[entries]; indices u16[entries], the byte offset of the feature inside its chunk of a panel: (feature − 256·chunk)·128;
 *           starts u32[chunks·m + 1], the first entry of (chunk, result) at chunk·m + result, the last one their count.
 *   four-row  as stored, four consecutive results sharing their features: m is a multiple of 4; values f32[entries][4], indices u16[entries],
 *           starts u32[chunks·(m/4) + 1], an entry for a feature and a group of 4 results.
 *   quad    [features][32][4] f32: up to four panels side by side, lane s of panel s; missing panels are +0.
 */

/** Tokens in a slab, and the width of a panel. */
export const slabTokens = 32;
/** Features in a chunk of a sum over features. */
export const chunkFeatures = 256;
/** Columns of turned panels and gradient nodes are padded to a multiple of this. */
export const nodeAlign = 16;
/** Positions of a parameter in one leaf of its sum of squares. */
export const squareLeafFloats = 1024;
/** Bytes of one feature of a panel. */
export const panelRowBytes = slabTokens * 4;

/** Numbers of narrow types as kernels know them. */
export const roundKinds = { bfloat16: 1, float16: 2, cbfloat16: 3 } as const;

/** Most nodes that a range of `slabs` consecutive slabs can leave: its ascending and descending aligned subtrees. */
export const nodesMax = (slabs: number): number => (slabs <= 1 ? 1 : 2 * (32 - Math.clz32(slabs)));

export interface Kernels {
  /** Results in a group of a packed block; it differs between builds and never shows in a bit. */
  readonly packWidth: number;

  // ── linear ────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** dst packed (n=inputs, m=outputs) ← weight [inputs][allOutputs], columns firstOutput … firstOutput+outputs. */
  packForward(dst: number, weight: number, inputs: number, allOutputs: number, firstOutput: number, outputs: number): void;
  /** dst packed (n=allOutputs, m=inputs) ← weight [allInputs][allOutputs], rows firstInput … firstInput+inputs. */
  packDelta(dst: number, weight: number, allOutputs: number, firstInput: number, inputs: number): void;
  /** out[j][t] = Σfeatures i packed(i, j) · inp[i][t] for j < m, all 32 tokens of every panel. Forward and delta alike. */
  linear(out: number, outStride: number, inp: number, inpStride: number, packed: number, n: number, m: number, panels: number): void;
  /** As `linear` on one panel, for its first `lanes` tokens rounded up to a register block; what lies behind them in out stays as it was. */
  linearLanes(out: number, inp: number, packed: number, n: number, m: number, lanes: number): void;
  /**
   * One tile's share of `linear` on one panel: contracted features first … last−1 (inp points at feature `first`), arriving with the running sums
   * sum[j][32] and chunk[j][32] and leaving with them; at a chunk's end (or at n) chunk is added to sum and set to +0.
   */
  linearSegment(sum: number, chunk: number, inp: number, packed: number, n: number, m: number, first: number, last: number): void;
  /** x[f][t] = x[f][t] + bias[f], all panels. */
  addBias(x: number, stride: number, bias: number, features: number, panels: number): void;
  /** dst turned [32][width] ← src [features][32]; width = features rounded up to nodeAlign, padding +0. */
  turn(dst: number, src: number, features: number): void;
  /**
   * The gradient of a block over consecutive slabs: dst ← the maximal nodes of the token tree over the leaves of `panels` slabs from
   * firstLeaf on, ascending, nodeStride apart, each [inputs][width]. inp: panels [inputs][32], inpStride apart;
   * turned: turned panels [32][width], 32·width·4 bytes apart. scratch: at least gradientScratchBytes(width, panels). Returns the number of nodes.
   *
   * slabsPerSample = 0: samples of one token; leaves are consecutive and the last panel has lastTokens (1 … 32) tokens. Else the leaf of slab k of
   * sample s is s · P + k, P the power of two ≥ slabsPerSample; the last slab of every sample has lastTokens tokens, and a node whose right sibling
   * lies behind it stands for their parent as it is.
   */
  gradient(dst: number, nodeStride: number, scratch: number, inp: number, inpStride: number, turned: number, inputs: number, width: number,
    panels: number, firstLeaf: number, slabsPerSample: number, lastTokens: number): number;
  /** One tile's share of a leaf: acc[i][width] += Σ t inp[i][t] · turned[t][width] for t in firstToken … lastToken−1, ascending, continuing acc. */
  gradientSegment(acc: number, inp: number, turned: number, inputs: number, width: number, firstToken: number, lastToken: number): void;

  // ── linear of stored positions: an absent position is no term of any sum ───────────────────────────────────────────
  /** As `linear`, over the stored positions: chunk sums from +0 ascending, an empty chunk is +0. */
  linearStored(out: number, outStride: number, inp: number, inpStride: number, values: number, indices: number, starts: number, n: number, m: number, panels: number): void;
  /** As linearStored, of the four-row form. */
  linearFourRow(out: number, outStride: number, inp: number, inpStride: number, values: number, indices: number, starts: number, n: number, m: number, panels: number): void;
  /** As linearSegment, of the stored form: the entries whose feature is in first … last−1; at a chunk's end (or at n) every result's chunk is added to sum and set to +0. */
  linearStoredSegment(sum: number, chunk: number, inp: number, values: number, indices: number, starts: number, n: number, m: number, first: number, last: number): void;
  /** dst quad [features][32][4] ← `slabs` (1 … 4) panels [features][32], srcStride apart; lanes beyond are +0. */
  quad(dst: number, src: number, srcStride: number, features: number, slabs: number): void;
  /**
   * The gradient at the stored positions of one block over one quad of slabs; x: quad of n features, dy: quad of the block's m results, entries of the stored form.
   * leaf s of entry e = ascending sum from +0 over tokens t of x[feature][t][s] · dy[result][t][s]; byte s of `tokens`: the tokens of slab s (1 … 32), none beyond is a
   * term, whatever it holds. merged = 1 (slabs = 4): dst[e] = (leaf 0 + leaf 1) + (leaf 2 + leaf 3). merged = 0: leaf s < slabs of entry e at dst + s·dstStride + 4·e.
   */
  gradientStored(dst: number, dstStride: number, x: number, dy: number, indices: number, starts: number, n: number, m: number, tokens: number, slabs: number, merged: number): void;
  /** As gradientStored, of the four-row form: entry e and result r of its group at 4·e + r. */
  gradientFourRow(dst: number, dstStride: number, x: number, dy: number, indices: number, starts: number, n: number, m: number, tokens: number, slabs: number, merged: number): void;
  /**
   * One tile's share of one leaf: acc[e] += Σ t x[feature][t] · dy[result][t] for t in firstToken … lastToken−1, ascending, for the entries whose feature is in
   * first … last−1. Panels: x points at feature `first`; dy has the block's m results.
   */
  gradientStoredSegment(acc: number, x: number, dy: number, indices: number, starts: number, n: number, m: number, first: number, last: number, firstToken: number, lastToken: number): void;
  /** dst[e] = node[feature][result]: a dense gradient at the stored positions. lanes 1, or 4 for the four-row form: dst[4·e + r]. */
  gatherNode(dst: number, node: number, width: number, indices: number, starts: number, n: number, m: number, lanes: number): void;
  /** packed (n, m) ← the stored form (lanes 1) or the four-row form (lanes 4), +0 where nothing is stored. */
  spread(packed: number, values: number, indices: number, starts: number, n: number, m: number, lanes: number): void;
  /** dst[k] = src[index[k]], index u32; any count. */
  gather(dst: number, src: number, index: number, count: number): void;
  /** 1 if every float is finite, else 0; any count. */
  allFinite(x: number, count: number): number;
  /**
   * The features of a panel [n][32] whose 32 tokens are not all ±0; returns how many. list (liveListBytes): starts u32[chunks + 1], the first of each
   * chunk and their count; then u16[…], the byte offsets inside the chunk as in `stored`, and a 0 behind them if there is room.
   */
  liveFeatures(list: number, x: number, n: number): number;
  /** `linear` on one panel over the listed features only: the same bits where the other features' weights are finite. */
  linearListed(out: number, inp: number, packed: number, n: number, m: number, list: number): void;

  // ── activations: contiguous ranges of `count` floats (a multiple of 4) ────────────────────────────────────────────
  relu(dst: number, src: number, count: number): void;
  /** dst = y > 0 ? d : +0, with y the output of relu. */
  reluDelta(dst: number, d: number, y: number, count: number): void;
  gelu(dst: number, src: number, count: number): void;
  /** dst = d · gelu'(x), with x the input of gelu. */
  geluDelta(dst: number, d: number, x: number, count: number): void;

  /** GELU with erf. */
  geluErf(dst: number, src: number, count: number): void;
  geluErfDelta(dst: number, d: number, x: number, count: number): void;
  /** dst = silu(gate) · up. */
  swiglu(dst: number, gate: number, up: number, count: number): void;
  /** Both deltas; dGate may be gate, dUp may be up. */
  swigluDelta(dGate: number, dUp: number, d: number, gate: number, up: number, count: number): void;
  /**
   * One panel: dst[f][t] = kept ? src · scale : +0, forward and delta alike. Kept where the word of Philox-2x32-10 with counters
   * ((firstFeature + f) ^ key1, firstToken + t) and key key0 is ≥ threshold, unsigned (util/prng.ts, streamKey).
   */
  dropout(dst: number, src: number, features: number, firstFeature: number, firstToken: number, key0: number, key1: number, threshold: number, scale: number): void;

  // ── norms: one panel [features][32], in passes that tiles of a row take in turn; sum and chunk run on as in linearSegment ──
  /** sum of x. x points at feature `first`; `features` of `all`. */
  featureSum(sum: number, chunk: number, x: number, first: number, features: number, all: number): void;
  /** sum of (x − mean[t])², mean: a row of 32 (zeros for RMSNorm). */
  featureSquares(sum: number, chunk: number, x: number, mean: number, first: number, features: number, all: number): void;
  /** out[t] = sum[t] / all: a mean. */
  divideRow(out: number, sum: number, all: number): void;
  /** rstd[t] = 1 / √(sum[t] / all + epsilon). */
  rootRow(rstd: number, sum: number, all: number, epsilon: number): void;
  /** y = ((x − mean) · rstd) · gain[f] (+ bias[f] unless bias is 0); stats: mean row, then rstd row. gain and bias point at the first feature; y may be x. */
  normApply(y: number, x: number, stats: number, gain: number, bias: number, features: number): void;
  /** Two running sums of the delta: of dh = d · gain (sumA, chunkA) and of dh · xhat (sumB, chunkB). */
  normDeltaSums(sumA: number, chunkA: number, sumB: number, chunkB: number, x: number, d: number, stats: number, gain: number, first: number, features: number, all: number): void;
  /** dst = (skip + unless skip is 0) ((dh − a[t]) − xhat · b[t]) · rstd; a, b: rows, already divided (a zeros for RMSNorm). dst may be x, d or skip. */
  normDelta(dst: number, x: number, d: number, stats: number, a: number, b: number, gain: number, skip: number, features: number): void;
  /** One leaf: gainLeaf[f] = Σ t < tokens of d · xhat and biasLeaf[f] = Σ t < tokens of d, ascending from +0 (biasLeaf not written if 0). Any feature count. */
  normLeaf(gainLeaf: number, biasLeaf: number, x: number, d: number, stats: number, features: number, tokens: number): void;
  /** As normLeaf for lanes firstToken … lastToken−1, continuing what is stored. */
  normLeafSegment(gainLeaf: number, biasLeaf: number, x: number, d: number, stats: number, features: number, firstToken: number, lastToken: number): void;

  // ── rotary positions: `heads` heads of headSize features in one panel, in place ────────────────────────────────────
  /** cos, sin: [place][headSize / 2] f32, pointing at the place of lane 0. direction 1: forward; −1: delta. */
  rotary(x: number, heads: number, headSize: number, cos: number, sin: number, direction: number): void;

  // ── attention: one head; a slab's K, Q, V, O are panels [headSize][32] inside wider panels; e, p, g are rows [keys][32 queries] ──
  /** out[j·32 + k][q] = Σfeatures f left_j[f][k] · right[f][q] for j < slabs; left panels leftStride apart; out rows contiguous. */
  panelDot(out: number, left: number, leftStride: number, right: number, features: number, slabs: number): void;
  /** One tile's share of panelDot on one pair of slabs: features first … last−1 of `all` (left, right point at `first`), running sum[32][32] and chunk[32][32]. */
  panelDotSegment(sum: number, chunk: number, left: number, right: number, first: number, last: number, all: number): void;
  /**
   * Softmax over the rows of a query slab: s [slabs·32][32] holds dots and becomes e; m[32] and r[32] are written. The last slab is the query's own: there
   * rows k > lane are masked (e = +0, no term).
   */
  attentionSoftmax(s: number, m: number, r: number, slabs: number, scale: number): void;
  /** e again from dots, given m: the same bits as attentionSoftmax. */
  attentionExp(s: number, m: number, slabs: number, scale: number): void;
  /**
   * out[f][q] = Σ over slabs j of (Σ k left_j[f][k] · right[j·32 + k][q]); each slab from +0, the first stored (or added to what is stored if `add`), later ones added.
   * left panels leftStride apart, right rows contiguous; out is a panel [features][32].
   */
  slabProduct(out: number, left: number, leftStride: number, right: number, features: number, slabs: number, add: number): void;
  /** x[f][q] = x[f][q] · row[q]. */
  scaleColumns(x: number, row: number, features: number): void;
  /** out[q] = Σfeatures a[f][q] · b[f][q], chunks from the first feature. */
  headDot(out: number, a: number, b: number, features: number): void;
  headDotSegment(sum: number, chunk: number, a: number, b: number, first: number, last: number, all: number): void;
  /** p = e · r, g = (p · (dP − D)) · scale for `rows` rows of 32; p may be e, g may be dP. */
  attentionDelta(p: number, g: number, e: number, dP: number, r: number, D: number, scale: number, rows: number): void;
  /** dst[q][k] = src[k][q] for each of `slabs` blocks of 32 × 32. */
  turnBlocks(dst: number, src: number, slabs: number): void;

  /**
   * Attention of one lane and head over stored keys and values, the first `places` ≥ 1 of them. q and out: a column of a panel, feature f at +128·f bytes;
   * keys [slab][headSize][32 places]; values [place][headSize rounded up to 4], the padding +0. scratch: attendScratchBytes, anything afterwards.
   */
  attendCached(out: number, q: number, keys: number, values: number, scratch: number, headSize: number, places: number, scale: number): void;

  // ── softmax cross-entropy: one panel [classes][32], in passes that tiles of a row take in turn ─────────────────────
  /** max[32] = max(max[32], x[c][32]) for the given classes; a NaN wins. The caller starts max at −∞. */
  softmaxMax(max: number, x: number, classes: number): void;
  /** e[c][t] = exp(x[c][t] − max[t]); sum[32] and chunk[32] run on as in linearSegment; firstClass … +classes of allClasses; x and e point at firstClass and may be equal. */
  softmaxExp(e: number, sum: number, chunk: number, x: number, max: number, firstClass: number, classes: number, allClasses: number): void;
  /** delta[c][t] = (c = label[t] ? e/sum − 1 : e/sum) · factor; +0 for tokens with label −1 or t ≥ tokens. label: i32[32], class numbers of the whole layer. */
  softmaxDelta(delta: number, e: number, sum: number, label: number, factor: number, firstClass: number, classes: number, tokens: number): void;
  /** loss[t] = log(sum[t]) − (xl[t] − max[t]) for all 32 tokens; xl: the label's logit, gathered by the caller's tile (0 where masked). */
  softmaxLoss(loss: number, sum: number, xl: number, max: number): void;
  /** The leaf of the loss: ascending sum from +0 of loss[t] over t < tokens with label[t] ≥ 0, stored at dst (one float). */
  lossLeaf(dst: number, loss: number, label: number, tokens: number): void;

  // ── embedding ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** dst panel [context·dim][32] ← table [vocabulary][dim] by ids i32[32][context]; lanes t ≥ tokens are +0. */
  embeddingGather(dst: number, table: number, ids: number, context: number, dim: number, tokens: number): void;
  /** One leaf: rows[slot][dim] += turned[t][c·dim …] for t < tokens ascending, c ascending, slot = slots i32[32][context]. The caller clears rows to +0. */
  embeddingLeaf(rows: number, turned: number, slots: number, context: number, dim: number, width: number, tokens: number): void;

  // ── tree-ordered accumulation and moving ───────────────────────────────────────────────────────────────────────────
  /** dst = a + b, `count` floats (any count); dst may be a. */
  add(dst: number, a: number, b: number, count: number): void;
  /** dst[r][0 … cols) = src[r][0 … cols), rows strides in bytes. */
  copyRows(dst: number, dstStride: number, src: number, srcStride: number, rows: number, cols: number): void;
  /** memory.fill with zero bytes. */
  clear(dst: number, bytes: number): void;
  /** memory.copy. */
  copy(dst: number, src: number, bytes: number): void;

  // ── first weights: dst[i] ← a function of first + i alone (modulo 2^32), any first and count; word(k): Philox-2x32-10 with counters ((first + i) ^ key1, k), key key0 ──
  /** f32((2 · unit − 1) · bound) in f64, unit = (word(0) >>> 8) / 2^24 (docs/numerics.md §8). */
  initUniform(dst: number, first: number, count: number, key0: number, key1: number, bound: number): void;
  /** f32(std · (Σ of 12 units − 6)) in f64, of word(0) … word(11). */
  initNormal(dst: number, first: number, count: number, key0: number, key1: number, std: number): void;

  // ── narrow types: each value becomes one of the type, held as f32 (docs/numerics.md §15); `kind` of roundKinds, any count ─
  /** x = x rounded to nearest even, in place. */
  roundTo(x: number, count: number, kind: number): void;
  /**
   * dst[r][c] = src[r][c] rounded up or down by chance; rows strides in bytes. The word of an element is Philox-2x32-10 with counters (index ^ key1, draw) and key key0,
   * index = first + r · srcStride / 4 + c modulo 2^32: its place in the whole that src is a part of.
   */
  roundByChance(dst: number, dstStride: number, src: number, srcStride: number, rows: number, cols: number, first: number, draw: number, key0: number, key1: number, kind: number): void;
  /** As roundByChance in place, of x[k] with the index index[k], u32. */
  roundListed(x: number, index: number, count: number, draw: number, key0: number, key1: number, kind: number): void;

  // ── gradients as a whole ───────────────────────────────────────────────────────────────────────────────────────────
  /** leaves[i] = ascending sum of squares of g[1024·i … ] from +0; the last leaf may be short. ⌈count / 1024⌉ floats. */
  squareLeaves(leaves: number, g: number, count: number): void;
  /** dst = src · factor; any count. */
  scale(dst: number, src: number, factor: number, count: number): void;
  /** dst[r] = ascending sum of squares of src[r][0 … cols) from +0, any rows and cols; strides in bytes. */
  rowSquares(dst: number, dstStride: number, src: number, srcStride: number, rows: number, cols: number): void;
  /** dst[c] += squares of src[r][c], rows ascending, continuing dst; any rows and cols, srcStride in bytes. */
  columnSquares(dst: number, src: number, srcStride: number, rows: number, cols: number): void;

  // ── optimizers: any count; wNext may not be w; moments in place; scalars already rounded to f32 (docs/numerics.md §6) ──
  /** flags: 1 = weight decay, 2 = momentum, 4 = first step, 8 = nesterov. */
  sgd(wNext: number, w: number, g: number, v: number, count: number, lr: number, momentum: number, oneMinusDampening: number, weightDecay: number, flags: number): void;
  /** flags: 1 = weight decay as L2 (Adam), 2 = decoupled (AdamW, `decay` multiplies w). */
  adam(wNext: number, w: number, g: number, m: number, v: number, count: number, beta1: number, oneMinusBeta1: number, beta2: number, oneMinusBeta2: number,
    epsilon: number, stepSize: number, rootBias2: number, weightDecay: number, decay: number, flags: number): void;
  /** v, a, b: squares, gradients (if centered), momentum. flags: 1 = weight decay, 2 = momentum, 4 = centered. */
  rmsProp(wNext: number, w: number, g: number, v: number, a: number, b: number, count: number, lr: number, alpha: number, oneMinusAlpha: number, epsilon: number, momentum: number,
    weightDecay: number, flags: number): void;
  lion(wNext: number, w: number, g: number, m: number, count: number, lr: number, beta1: number, oneMinusBeta1: number, beta2: number, oneMinusBeta2: number, decay: number): void;
  /** Moments, and the direction u; u may be g. */
  lambDirection(u: number, w: number, g: number, m: number, v: number, count: number, beta1: number, oneMinusBeta1: number, beta2: number, oneMinusBeta2: number,
    epsilon: number, kappa: number, rootBias2: number, weightDecay: number): void;
  /** wNext = w − factor · u, u again from the moments. */
  lambStep(wNext: number, w: number, m: number, v: number, count: number, epsilon: number, kappa: number, rootBias2: number, weightDecay: number, factor: number): void;
  /** v = (beta · v) + (oneMinusBeta · ((g · g) + epsilon)). */
  squaredMoment(v: number, g: number, count: number, beta: number, oneMinusBeta: number, epsilon: number): void;
  /** u = g / √v; u may be g. */
  overRoot(u: number, g: number, v: number, count: number): void;
  /**
   * u = ((1 / √(r[i] / mean)) · c[j]) · g for `count` positions of a matrix of `cols` columns: r points at the row of the first of them, which lies in column `first`, c at column 0.
   * u may be g.
   */
  overFactors(u: number, g: number, r: number, c: number, first: number, cols: number, count: number, mean: number): void;
  /** wNext = (w · decay) − (factor · u). */
  directedStep(wNext: number, w: number, u: number, count: number, factor: number, decay: number): void;
  /** m = (beta1 · m) + (oneMinusBeta1 · (factor · u)); wNext = (w · decay) − m. */
  directedMomentumStep(wNext: number, w: number, u: number, m: number, count: number, factor: number, decay: number, beta1: number, oneMinusBeta1: number): void;
}

/** Scratch that `gradient` needs: a stack of nodes of one group of inputs. */
export const gradientScratchBytes = (width: number, panels: number): number => (nodesMax(panels) + 2) * 16 * width * 4;

/** Floats of a stored row of values. */
export const valueFloats = (headSize: number): number => (headSize + 3) & -4;
/** Scratch that `attendCached` needs: scores, and a row of sums. */
export const attendScratchBytes = (headSize: number, places: number): number => (((places + slabTokens - 1) & -slabTokens) + valueFloats(headSize)) * 4;

/** Chunks of a sum over n features. */
export const chunksOf = (n: number): number => Math.ceil(n / chunkFeatures);
/** Bytes of the list that `liveFeatures` writes. */
export const liveListBytes = (n: number): number => (chunksOf(n) + 1) * 4 + n * 2;
