/** The devices module: every kind of actor of the cluster by name. Worker threads import it by its URL. */
import { actorKind } from '../actor/registry.js';
import { archive } from './archive/archive.js';
import { archiveCommands, archiveReplies } from './archive/protocol.js';
import { flashLane } from './flash/lane.js';
import { flashCommands, flashReplies } from './flash/protocol.js';
import { generationHost } from './generation/host.js';
import { generationCommands, generationReplies } from './generation/protocol.js';
import { inputCommands, inputReplies } from './input/protocol.js';
import { inputWorker } from './input/worker.js';
import { memoryXCommands, memoryXReplies } from './memoryx/protocol.js';
import { memoryXUnit } from './memoryx/unit.js';
import { swarmXNode } from './swarmx/node.js';
import { swarmXCommands, swarmXReplies } from './swarmx/protocol.js';
import { tileHost } from './tile/host.js';
import { tileCommands, tileReplies } from './tile/protocol.js';
import { waferCommands, waferReplies } from './wafer/protocol.js';
import { wafers } from './wafer/wafer.js';

export const devices = {
  tileHost: actorKind({ behavior: tileHost, command: tileCommands, reply: tileReplies }),
  input: actorKind({ behavior: inputWorker, command: inputCommands, reply: inputReplies }),
  wafer: actorKind({ behavior: wafers, command: waferCommands, reply: waferReplies }),
  swarmx: actorKind({ behavior: swarmXNode, command: swarmXCommands, reply: swarmXReplies }),
  generation: actorKind({ behavior: generationHost, command: generationCommands, reply: generationReplies }),
  archive: actorKind({ behavior: archive, command: archiveCommands, reply: archiveReplies }),
  flash: actorKind({ behavior: flashLane, command: flashCommands, reply: flashReplies }),
  memoryx: actorKind({ behavior: memoryXUnit, command: memoryXCommands, reply: memoryXReplies }),
};

export type Devices = typeof devices;
export const devicesUrl = import.meta.url;
