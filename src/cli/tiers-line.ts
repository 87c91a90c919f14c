/** What MemoryX's tiers did, on one line. Not here: measuring it (emulator/tiers-report.ts). */
import type { TiersReport } from '../index.js';
import { formatBytes } from '../util/units.js';

export const tiersLine = ({ dram, flash, hitRate, waitedSeconds, boundBy }: TiersReport): string =>
  `DRAM ${formatBytes(dram.bytes)}${dram.budgetBytes === null ? '' : ` of ${formatBytes(dram.budgetBytes)}`}, ${(100 * hitRate).toFixed(1)} % of what was wanted was there; ` +
  `flash read ${formatBytes(flash.readBytes)} at ${formatBytes(flash.readRate)}/s, written ${formatBytes(flash.writtenBytes)} at ${formatBytes(flash.writeRate)}/s, ` +
  `${flash.commits} commits; waited ${waitedSeconds.toFixed(2)} s; bound by ${boundBy}`;
