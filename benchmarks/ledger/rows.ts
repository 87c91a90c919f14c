/** All rows of the ledger, in the order of the page. Not here: what is in them (one file a group). */
import { apart } from './apart.js';
import { capacity } from './capacity.js';
import { cluster } from './cluster.js';
import { tile } from './tile.js';
import { totals } from './totals.js';
import { traffic } from './traffic.js';
import { training } from './training.js';
import type { LedgerRow } from './types.js';

export const rows: readonly LedgerRow[] = [...tile, ...training, ...cluster, ...capacity, ...traffic, ...totals];
export { apart };
