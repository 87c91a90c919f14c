/**
 * The page: a bar with its sections and the choice of colours, then one section after the other. Not here: the sections (their own files).
 */
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { Assumptions } from './assumptions.js';
import { Critical, Energy, Occupancies } from './bounds.js';
import { Scaling, Sparsity } from './curves.js';
import { Head } from './head.js';
import { unpackSpans, type PageData } from './packed.js';
import { Passes } from './passes.js';
import { Roofline } from './roofline.js';
import { Run } from './run.js';
import { Sweep } from './sweep.js';
import { ThemeToggle, Themed, type Choice } from './theme.js';
import { Timeline } from './timeline.js';
import { Wafer } from './wafer.js';

export const App = ({ data }: { readonly data: PageData }) => {
  const [choice, choose] = useState<Choice>('auto');
  const { work, price, roofline, record, scaling, sparsity, sweep, machine } = data;
  const spans = useMemo(() => unpackSpans(data.spans), [data]);
  const parts: readonly (readonly [string, string, ComponentChildren])[] = [
    ['summary', 'Summary', <Head {...data} />],
    ...(sweep === undefined ? [] : [['sweep', 'Sweep', <Sweep sweep={sweep} />] as const]),
    ['timeline', 'Timeline', <Timeline work={work} price={price} spans={spans} />],
    ['critical', 'Critical path', <Critical price={price} />],
    ['wafer', 'Wafer', <Wafer work={work} price={price} />],
    ['links', 'Links', <Occupancies price={price} />],
    ...(roofline.points.length === 0 ? [] : [['roofline', 'Roofline', <Roofline roofline={roofline} />] as const]),
    ...(scaling === undefined || scaling.length === 0 ? [] : [['scaling', 'Scaling', <Scaling scaling={scaling} />] as const]),
    ...(sparsity === undefined || sparsity.length === 0 ? [] : [['sparsity', 'Sparsity', <Sparsity sparsity={sparsity} />] as const]),
    ...(record === undefined ? [] : [['run', 'Run', <Run record={record} />] as const]),
    ['passes', 'Passes', <Passes work={work} price={price} />],
    ['energy', 'Energy', <Energy price={price} />],
    ...(machine === undefined ? [] : [['assumptions', 'Assumptions', <Assumptions machine={machine} />] as const]),
  ];
  return (
    <Themed choice={choice}>
      <a class="skip" href="#content">Skip to the report</a>
      <header>
        <nav aria-label="Sections"><ul>{parts.map(([id, name]) => <li key={id}><a href={`#${id}`}>{name}</a></li>)}</ul></nav>
        <ThemeToggle choice={choice} choose={choose} />
      </header>
      <main id="content" tabIndex={-1}>{parts.map(([, , part]) => part)}</main>
      <footer>Made by waferstream from {data.record === undefined ? 'a plan' : 'a run and its record'}: counted actions, priced for {price.machine}. Virtual time throughout; the file needs no network.</footer>
    </Themed>
  );
};
