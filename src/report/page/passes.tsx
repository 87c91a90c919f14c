/** The passes of a step as a table, the timeline's twin in figures. Not here: spans one by one (timeline.tsx). */
import type { PassDemands, PassPrice } from '../../timing/types.js';
import { listed, percent, seconds, whole } from './format.js';
import { layersOfPasses, phaseColours } from './names.js';
import type { PageData } from './packed.js';
import { Section, Value } from './parts.js';
import { DataTable, type Column } from './table.js';

const demands: readonly (readonly [keyof PassDemands, string])[] = [
  ['tile', 'Tile'], ['products', 'Products'], ['overhead', 'Overhead'], ['rowSums', 'Row sums'], ['columnSums', 'Column sums'], ['elementwise', 'Elementwise'], ['fabric', 'Fabric'], ['waferInput', 'Wafer input'],
  ['waferOutput', 'Wafer output'], ['swarmX', 'SwarmX'], ['memoryX', 'MemoryX'],
];

export const Passes = ({ work, price }: Pick<PageData, 'work' | 'price'>) => {
  const layers = layersOfPasses(work), total = price.passes.reduce((sum, pass) => sum + pass.secondsAStep, 0);
  const columns: readonly Column<PassPrice>[] = [
    { key: 'op', head: 'Pass', value: ({ op }) => op },
    { key: 'phase', head: 'Phase', value: ({ phase }) => phase, show: ({ phase }) => <span class="chip" style={{ borderColor: `var(--${phaseColours[phase]})` }}>{phase}</span> },
    { key: 'layers', head: 'Layers', value: ({ pass }) => layers.get(pass)?.[0] ?? null, show: ({ pass }) => <span class="names" title={(layers.get(pass) ?? []).join(', ')}>{listed(layers.get(pass) ?? [], 1) || '–'}</span> },
    { key: 'times', head: 'Times a step', number: true, value: (p) => p.timesAStep, show: (p) => whole(p.timesAStep) },
    { key: 'seconds', head: 'Once', number: true, value: (p) => p.seconds, show: (p) => seconds(p.seconds) },
    { key: 'step', head: 'In a step', number: true, value: (p) => p.secondsAStep, show: (p) => <Value name={`pass.${p.pass}.secondsAStep`} value={p.secondsAStep} text={seconds(p.secondsAStep)} /> },
    { key: 'share', head: 'Share', number: true, value: (p) => p.secondsAStep, show: (p) => (total > 0 ? percent(p.secondsAStep / total) : '–') },
    { key: 'bound', head: 'Bound by', value: ({ bound }) => bound },
    { key: 'cycles', head: 'Cycles once', number: true, value: (p) => p.cycles, show: (p) => whole(Math.round(p.cycles)) },
    ...demands.map(([key, head]): Column<PassPrice> => ({ key, head, number: true, value: (p) => p.demands[key], show: (p) => seconds(p.demands[key], 3) })),
  ];
  return (
    <Section id="passes" title="Passes" lead="Equal passes stand in one row. What each keeps busy when it is done once stands to the right; they overlap, so the longest counts. Shares are of all passes’ seconds.">
      <DataTable part="passes" caption="Passes of one step" columns={columns} rows={price.passes} order={{ key: 'step', down: true }} page={100} />
    </Section>
  );
};
