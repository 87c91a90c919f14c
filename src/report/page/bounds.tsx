/**
 * What bounds the step: seconds by cause, occupancy of links and tiers, energy by action. Not here: the roof (roofline.tsx), passes (passes.tsx).
 */
import type { Cause, Occupancy } from '../../timing/types.js';
import { percent, seconds, shown } from './format.js';
import { causeGroups, causeHelp } from './names.js';
import type { PageData } from './packed.js';
import { Bar, Legend, Section, Value } from './parts.js';
import { DataTable, type Column } from './table.js';

type Data = Pick<PageData, 'price'>;

export const Critical = ({ price }: Data) => {
  const causes = price.critical.filter((cause) => cause.seconds > 0), rest = price.critical.length - causes.length;
  const groups = [...new Map(causes.map(({ cause }) => [causeGroups[cause].name, causeGroups[cause]])).values()];
  return (
    <Section id="critical" title="Critical path by cause" lead={`Every moment of the step has one cause that it waits for; together they are the step of ${seconds(price.step.seconds)}.`}>
      <Legend items={groups.map(({ name, kind }) => ({ name, kind, shape: 'square' as const }))} />
      <div class="stack" aria-hidden="true">
        {causes.map(({ cause, share }) => <span key={cause} style={{ flexGrow: share, background: `var(--${causeGroups[cause].kind})` }} title={`${cause}: ${percent(share)}`} />)}
      </div>
      <DataTable part="critical" caption="Seconds of the step by cause" rows={causes} order={{ key: 'seconds', down: true }} columns={[
        { key: 'cause', head: 'Cause', value: ({ cause }) => cause },
        { key: 'seconds', head: 'Seconds', number: true, value: (row) => row.seconds, show: (row) => <Value name={`critical.${row.cause satisfies Cause}`} value={row.seconds} text={seconds(row.seconds)} /> },
        { key: 'share', head: 'Share', number: true, value: (row) => row.share, show: (row) => percent(row.share) },
        { key: 'bar', head: 'Share as a bar', value: (row) => row.share, show: (row) => <Bar share={row.share} kind={causeGroups[row.cause].kind} /> },
        { key: 'help', head: 'What it is', value: ({ cause }) => causeHelp[cause] },
      ]} />
      {rest === 0 ? null : <p class="help">{rest} more {rest === 1 ? 'cause takes' : 'causes take'} no time at all: {price.critical.filter((cause) => cause.seconds <= 0).map(({ cause }) => cause).join(', ')}.</p>}
    </Section>
  );
};

const occupancyColumns = <Row extends Occupancy>(what: string): readonly Column<Row>[] => [
  { key: 'name', head: what, value: ({ name }) => name },
  { key: 'occupancy', head: 'Busy', number: true, value: (row) => row.occupancy, show: (row) => <Value name={`occupancy.${row.name}`} value={row.occupancy} text={percent(row.occupancy)} /> },
  { key: 'bar', head: 'Busy as a bar', value: (row) => row.occupancy, show: (row) => <Bar share={row.occupancy} kind={row.occupancy > 0.9 ? 'amber' : 'blue'} /> },
  { key: 'bytes', head: 'Bytes a step', number: true, value: (row) => row.bytes, show: (row) => shown(row.bytes, 'B') },
  { key: 'rate', head: 'Bandwidth', number: true, value: (row) => row.bytesPerSecond, show: (row) => shown(row.bytesPerSecond, 'B/s') },
];

export const Occupancies = ({ price }: Data) => (
  <Section id="links" title="Links and tiers" lead="Busy seconds as a share of the step; above 90 % a link or tier is drawn in amber.">
    {price.links.length === 0 ? null : <DataTable part="links" caption="Links" rows={price.links} order={{ key: 'occupancy', down: true }} columns={occupancyColumns('Link')} />}
    {price.tiers.length === 0 ? null : (
      <DataTable part="tiers" caption="Tiers of MemoryX" rows={price.tiers} columns={[
        ...occupancyColumns<(typeof price.tiers)[number]>('Tier'),
        { key: 'used', head: 'Used', number: true, value: (row) => row.usedBytes, show: (row) => shown(row.usedBytes, 'B') },
        { key: 'capacity', head: 'Capacity', number: true, value: (row) => row.capacityBytes, show: (row) => shown(row.capacityBytes, 'B') },
        { key: 'full', head: 'Full', number: true, value: (row) => row.usedBytes / row.capacityBytes, show: (row) => (row.capacityBytes > 0 ? percent(row.usedBytes / row.capacityBytes) : '–') },
      ]} />
    )}
  </Section>
);

export const Energy = ({ price }: Data) => {
  const { byAction, joules, watts, joulesPerToken } = price.energy, rows = Object.entries(byAction).map(([action, spent]) => ({ action, spent }));
  return (
    <Section id="energy" title="Energy" lead={<><Value name="energy.total" value={joules} text={shown(joules, 'J')} /> a step by all systems: <Value name="energy.watts" value={watts} text={shown(watts, 'W')} />, <Value name="energy.joulesPerToken" value={joulesPerToken} text={shown(joulesPerToken, 'J')} /> a token.</>}>
      <DataTable part="energy" caption="Joules of one step by action" rows={rows} order={{ key: 'spent', down: true }} columns={[
        { key: 'action', head: 'Action', value: ({ action }) => action },
        { key: 'spent', head: 'Joules', number: true, value: ({ spent }) => spent, show: ({ spent }) => shown(spent, 'J') },
        { key: 'share', head: 'Share', number: true, value: ({ spent }) => spent / joules, show: ({ spent }) => (joules > 0 ? percent(spent / joules) : '–') },
        { key: 'bar', head: 'Share as a bar', value: ({ spent }) => spent, show: ({ spent }) => <Bar share={joules > 0 ? spent / joules : 0} kind="blue" /> },
      ]} />
    </Section>
  );
};
