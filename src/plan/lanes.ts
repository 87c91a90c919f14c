/**
 * The steps of a generation: how many lanes each has, how many of them are asked for their logits, and how many places they look back to.
 *
 *   prompts' lengths, new tokens ─▶ the coordinator's order (cluster/coordinator/generation.ts), without tokens ─▶ steps, equal ones together
 *
 * No sequence ends before its last new token here. Not here: what a step counts (generation.ts).
 */
import { lanesMax, waferOf } from '../cluster/generation/plan.js';

export interface LaneStep {
  readonly times: number;
  readonly lanes: number;
  readonly asked: number;
  /** Σ over lanes, and over lanes that are asked, of the places that they see: their own and those before it. */
  readonly places: number;
  readonly askedPlaces: number;
  /** Lanes of the fullest wafer. */
  readonly fullest: number;
}

export const laneSteps = (prompts: readonly number[], newTokens: number, numCsx: number): readonly LaneStep[] => {
  const steps: LaneStep[] = [];
  let lanes = prompts.flatMap((length, sequence) => Array.from({ length }, (_, place) => ({ sequence, place, asked: place === length - 1 })));
  for (let token = 0; token < newTokens; token++) {
    const following: typeof lanes = [];
    for (let first = 0; first < lanes.length; first += lanesMax) {
      const here = lanes.slice(first, first + lanesMax), byWafer = new Map<number, number>();
      let asked = 0, places = 0, askedPlaces = 0;
      for (const lane of here) {
        const wafer = waferOf(lane.sequence, prompts.length, numCsx);
        byWafer.set(wafer, (byWafer.get(wafer) ?? 0) + 1);
        places += lane.place + 1;
        if (!lane.asked) continue;
        asked++;
        askedPlaces += lane.place + 1;
        following.push({ sequence: lane.sequence, place: lane.place + 1, asked: true });
      }
      steps.push({ times: 1, lanes: here.length, asked, places, askedPlaces, fullest: Math.max(...byWafer.values()) });
    }
    lanes = following.toSorted((a, b) => a.sequence - b.sequence);
  }
  return steps;
};
