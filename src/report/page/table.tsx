/**
 * Tables that are sorted by their heads and read page by page; every row can be reached, none is left out.
 *
 *   columns (value to sort by, how it is shown) + rows ─▶ <table>, with its scroll area open to the keyboard
 *
 * Not here: what is in them.
 */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { whole } from './format.js';

export interface Column<Row> {
  readonly key: string;
  readonly head: string;
  readonly value: (row: Row) => string | number | boolean | null;
  /** As text unless given. */
  readonly show?: (row: Row) => ComponentChildren;
  readonly number?: boolean;
}

export interface Order {
  readonly key: string;
  readonly down: boolean;
}

interface TableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly order?: Order;
  readonly page?: number;
  readonly part?: string;
}

type Sortable = string | number | boolean | null;

/** Numbers before words, what is not there last, whichever way. */
const compare = (a: Sortable, b: Sortable, down: boolean): number => {
  const rank = (value: Sortable): number => (value === null || Number.isNaN(value) ? 2 : typeof value === 'string' ? 1 : 0);
  if (rank(a) !== rank(b) || rank(a) === 2) return rank(a) - rank(b);
  const order = typeof a === 'string' ? a.localeCompare(b as string, 'en', { numeric: true }) : Number(a) === Number(b) ? 0 : Number(a) < Number(b) ? -1 : 1;
  return down ? -order : order;
};

export const DataTable = <Row,>({ caption, columns, rows, order: first, page = 50, part }: TableProps<Row>) => {
  const [order, setOrder] = useState<Order | undefined>(first), [from, setFrom] = useState(0);
  const by = columns.find(({ key }) => key === order?.key);
  const sorted = by === undefined ? rows : rows.toSorted((a, b) => compare(by.value(a), by.value(b), order?.down ?? false));
  const shownRows = sorted.slice(from, from + page);
  const turn = (key: string, isNumber: boolean): void => {
    setOrder((now) => (now?.key === key ? { key, down: !now.down } : { key, down: isNumber }));
    setFrom(0);
  };
  return (
    <div class="table" data-part={part}>
      <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption>{caption}</caption>
          <thead>
            <tr>
              {columns.map(({ key, head, number = false }) => (
                <th key={key} scope="col" class={number ? 'number' : undefined} aria-sort={order?.key === key ? (order.down ? 'descending' : 'ascending') : 'none'}>
                  <button type="button" onClick={() => turn(key, number)}>{head}<span aria-hidden="true" class="arrow">{order?.key === key ? (order.down ? '▼' : '▲') : ''}</span></button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shownRows.map((row, i) => (
              <tr key={from + i}>
                {columns.map(({ key, value, show, number = false }, c) => {
                  const cell = show === undefined ? String(value(row) ?? '–') : show(row);
                  return c === 0 ? <th key={key} scope="row" class={number ? 'number' : undefined}>{cell}</th> : <td key={key} class={number ? 'number' : undefined}>{cell}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length <= page ? null : (
        <p class="pager">
          <button type="button" disabled={from === 0} onClick={() => setFrom(Math.max(0, from - page))}>← earlier</button>
          <span aria-live="polite">rows {whole(from + 1)} to {whole(Math.min(rows.length, from + page))} of {whole(rows.length)}</span>
          <button type="button" disabled={from + page >= rows.length} onClick={() => setFrom(from + page)}>later →</button>
        </p>
      )}
    </div>
  );
};
