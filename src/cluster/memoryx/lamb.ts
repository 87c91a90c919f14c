/**
 * Lamb's sweeps (docs/numerics.md §6).
 *
 *   0      moments; the direction u, and leaves of Σu² and Σw²          of a sparse weight u waits where the next weights will be, and sweep 1 forms leaves by dense index
 *   last   ratio = ‖w‖ / ‖u‖; weights, u formed again from the moments
 *
 * Not here: the journal (update.ts).
 */
import { squareLeafFloats } from '../../kernels/types.js';
import type { Optimizer } from '../../model/optimizer.js';
import { floats as view } from '../../tensor/shared-memory.js';
import { ceilDiv } from '../../util/units.js';
import { statisticsOf } from '../sweeps.js';
import { treeSum } from '../tree-sum.js';
import type { Scalars } from './scalars.js';
import { gradientStretch, weightsIn, type Sweep, type UpdateShare } from './share.js';
import { sparseSquares } from './sparse-squares.js';

const f32 = Math.fround;

export const lambSweep = (share: UpdateShare, optimizer: Optimizer, s: Scalars, step: number, sweep: number): Sweep => {
  const { place, kernels: k, mask, stretch } = share, { now, next } = weightsIn(place, step);
  const [m = 0, v = 0] = place.moments, size = share.shape.reduce((product, n) => product * n, 1);
  const plan = statisticsOf(optimizer, share), weights = share.statistics + plan.weights, direction = share.statistics + plan.direction;
  if (sweep === 0) {
    return {
      kind: 'stretches',
      run(from, floats) {
        const offset = from * 4, leaf = (from / squareLeafFloats) * 4, u = mask === null ? stretch : next + offset;
        k.lambDirection(u, now + offset, gradientStretch(k, place, from, floats, share.clip, stretch), m + offset, v + offset, floats,
          s.beta1, s.oneMinusBeta1, s.beta2, s.oneMinusBeta2, s.epsilon, s.kappa, s.rootBias2, s.weightDecay);
        if (mask !== null) return;
        k.squareLeaves(direction + leaf, u, floats);
        k.squareLeaves(weights + leaf, now + offset, floats);
      },
    };
  }
  if (mask !== null && sweep === 1) {
    return {
      kind: 'whole',
      run() {
        for (const { squares, values } of [{ squares: direction, values: next }, { squares: weights, values: now }]) sparseSquares({ ...share, squares, factor: 1 }, { gradients: [values] }, mask, size);
      },
    };
  }
  const norm = (leaves: number): number => f32(Math.sqrt(treeSum(view(share.memory, leaves, ceilDiv(size, squareLeafFloats)).slice())));
  const ofWeights = norm(weights), ofDirection = norm(direction);
  const factor = f32(s.learningRate * (ofWeights === 0 || ofDirection === 0 ? 1 : f32(ofWeights / ofDirection)));
  return {
    kind: 'stretches',
    run(from, floats) {
      const offset = from * 4;
      k.lambStep(next + offset, now + offset, m + offset, v + offset, floats, s.epsilon, s.kappa, s.rootBias2, s.weightDecay, factor);
    },
  };
};
