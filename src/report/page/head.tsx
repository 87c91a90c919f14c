/**
 * The head of a report: what bounds the step, in a sentence and in key figures, and what was priced. Not here: how it comes about (the other sections).
 */
import type { ComponentChildren } from 'preact';
import type { Cause } from '../../timing/types.js';
import { kibibytes, many, percent, plain, seconds, shown, whole } from './format.js';
import { causeHelp } from './names.js';
import type { PageData } from './packed.js';
import { Figure, Value } from './parts.js';

const KeyFigures = ({ price, work }: PageData) => {
  const { step, flops, energy } = price;
  const worst = price.critical.toSorted((a, b) => b.seconds - a.seconds)[0];
  return (
    <dl class={work.steps === 1 ? 'figures six' : 'figures'}>
      <Figure label="One step" name="step.seconds" value={step.seconds} text={seconds(step.seconds)} note={`${many(Math.round(step.cycles))} cycles`} />
      <Figure label="Tokens a second" name="step.tokensPerSecond" value={step.tokensPerSecond} text={shown(step.tokensPerSecond, '')} note={`${shown(step.samplesPerSecond, '')} samples a second`} />
      <Figure label="Utilization" name="flops.utilization" value={flops.utilization} text={percent(flops.utilization)} note={flops.denseUtilization === flops.utilization ? 'of the peak' : `${percent(flops.denseUtilization)} if weights were dense`} />
      <Figure label="Achieved" name="flops.achieved" value={flops.achieved} text={shown(flops.achieved, 'flop/s')} note={`peak ${shown(flops.peak, 'flop/s')}`} />
      <Figure label="Energy a step" name="energy.joules" value={energy.joules} text={shown(energy.joules, 'J')} note={`${shown(energy.joulesPerToken, 'J')} a token, ${shown(energy.watts, 'W')}`} />
      {worst === undefined ? null : <Figure label="Bound by" name="critical.share" value={worst.share} text={worst.cause satisfies Cause} note={`${percent(worst.share)} of the step: ${causeHelp[worst.cause]}`} />}
      {work.steps === 1 ? null : <Figure label={`All ${whole(work.steps)} steps`} name="totalSeconds" value={price.totalSeconds} text={seconds(price.totalSeconds)} note={`${many(work.tokens * work.steps)} tokens`} />}
    </dl>
  );
};

const Priced = ({ price, work }: PageData) => {
  const { model, rectangle, sram } = work;
  const rows: readonly (readonly [string, ComponentChildren])[] = [
    ['Model', <>{model.name}, <Value name="model.parameterCount" value={model.parameterCount} text={many(model.parameterCount)} /> parameters</>],
    ['Machine', <>{whole(work.numCsx)} × {price.machine} at {shown(price.clockHz, 'Hz')}, SwarmX 1:{work.fanIn}</>],
    [work.kind === 'training' ? 'Batch' : 'A step', <><Value name="work.samples" value={work.samples} text={whole(work.samples)} /> samples, <Value name="work.tokens" value={work.tokens} text={whole(work.tokens)} /> tokens{work.microBatches.length === 0 ? '' : `, in ${whole(work.microBatches.reduce((sum, { times }) => sum + times, 0))} micro-batches`}</>],
    ['Tiles', <>{whole(rectangle.cols)} × {whole(rectangle.rows)} of each wafer</>],
    ['Numbers', <>weights {work.numbers.weights}, activations {work.numbers.activations}</>],
    ['SRAM, fullest tile', <>{kibibytes(sram.totalBytes)} of {kibibytes(sram.limitBytes)}: code {kibibytes(sram.codeBytes)}, activations {kibibytes(sram.activationBytes)}, streams {kibibytes(sram.streamBytes)}</>],
    ['State in MemoryX', <Value name="work.stateBytes" value={work.stateBytes} text={shown(work.stateBytes, 'B')} />],
    ['Between steps', <><Value name="boundarySeconds" value={price.boundarySeconds} text={seconds(price.boundarySeconds)} />{work.verdict ? ', updates wait for the whole step’s verdict' : ''}</>],
    ['Dense equivalent', <Value name="flops.denseEquivalent" value={price.flops.denseEquivalent} text={shown(price.flops.denseEquivalent, 'flop/s')} />],
  ];
  return <dl class="facts">{rows.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{typeof value === 'string' ? plain(value) : value}</dd></div>)}</dl>;
};

export const Head = (data: PageData) => (
  <section id="summary" aria-labelledby="title">
    <h1 id="title">{data.title}</h1>
    <p class="verdict" data-figure="verdict">{data.price.verdict}</p>
    <KeyFigures {...data} />
    <Priced {...data} />
  </section>
);
