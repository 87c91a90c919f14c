/**
 * The verdict of the independent reference as an assertion: every step of a training within the running error bounds, and few enough kinks to say so.
 *
 * Not here: how a step is judged (emulator/against-reference.ts), the reference itself (reference/), which shares no code with the cluster.
 */
import { AssertionError } from 'node:assert';
import { compareWithReference, describeVerdict, type Model, type StepVerdicts, type TrainOptions } from '../index.js';
import { optionsOn, type ClusterShape } from './shapes.js';

export interface ReferenceOptions {
  /** Largest share of ReLU inputs that may be kinks, beside `kinksFree` of them; 0.01 unless given. */
  readonly kinkShareMax?: number;
  /** Kinks that are always allowed; 16 unless given. */
  readonly kinksFree?: number;
}

/**
 * Trains the model on the machine and holds every step against the independent f64 reference.
 *
 * Cheap for a few steps of a small model: the reference is plain loops, and the cluster runs steps · (steps + 1) / 2 steps.
 *
 * @throws AssertionError naming the step, the tensor and its worst element; or that too many ReLU inputs lie on their kink to say anything
 */
export const assertMatchesReference = async (model: Model, options: TrainOptions, shape: ClusterShape = {}, limits: ReferenceOptions = {}): Promise<readonly StepVerdicts[]> => {
  const { kinkShareMax = 0.01, kinksFree = 16 } = limits;
  const { cluster, training } = optionsOn(shape, model, options);
  const steps = await compareWithReference(cluster, model, training);
  for (const { step, verdicts, kinks, reluInputs } of steps) {
    const bad = verdicts.filter((verdict) => !verdict.ok);
    if (bad.length > 0) {
      throw new AssertionError({ message: `step ${step} is outside the reference's bounds:\n${bad.map((verdict) => `  ${describeVerdict(verdict)}`).join('\n')}`, operator: 'matchesReference' });
    }
    if (kinks > kinksFree + kinkShareMax * reluInputs) {
      throw new AssertionError({ message: `step ${step}: ${kinks} of ${reluInputs} ReLU inputs are within their bound of zero; the reference cannot judge their deltas`, actual: kinks, expected: kinkShareMax * reluInputs, operator: 'matchesReference' });
    }
  }
  return steps;
};
