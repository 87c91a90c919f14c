/** The constants that the price rests on, with unit and source; guesses are marked. Not here: their values' reasons (docs/evidence.md). */
import type { MachineConstant } from '../input.js';
import { plain, whole } from './format.js';
import { Section, Value } from './parts.js';
import { DataTable } from './table.js';

const trusts: Readonly<Record<MachineConstant['trust'], string>> = { published: 'published', secondary: 'secondary text', derived: 'derived', guess: 'guess', chosen: 'chosen' };

export const Assumptions = ({ machine }: { readonly machine: readonly MachineConstant[] }) => {
  const guesses = machine.filter(({ trust }) => trust === 'guess').length;
  return (
    <Section id="assumptions" title="Assumptions" lead={`${whole(machine.length)} constants; ${guesses === 0 ? 'none is a guess' : guesses === 1 ? 'one is a guess' : `${whole(guesses)} are guesses`}${guesses === 0 ? '' : ', marked, with the range in which the truth is thought to lie'}.`}>
      <DataTable part="assumptions" caption="Constants of the machine" page={200} rows={machine} columns={[
        { key: 'path', head: 'Constant', value: ({ path }) => path, show: ({ path }) => <code>{path}</code> },
        { key: 'value', head: 'Value', number: true, value: ({ value }) => value, show: ({ path, value }) => (typeof value === 'number' ? <Value name={`constant.${path}`} value={value} text={plain(value)} /> : plain(value)) },
        { key: 'unit', head: 'Unit', value: ({ unit }) => unit, show: ({ unit }) => <span class="unit">{unit}</span> },
        { key: 'trust', head: 'Trust', value: ({ trust }) => trust, show: ({ trust }) => (trust === 'guess' ? <strong class="guess">guess</strong> : trusts[trust]) },
        { key: 'range', head: 'Range', value: ({ range }) => range?.[0] ?? null, show: ({ range }) => (range === undefined ? '–' : `${plain(range[0])} to ${plain(range[1])}`) },
        { key: 'source', head: 'Source', value: ({ source }) => source },
      ]} />
    </Section>
  );
};
