/** A device that answers and does nothing else, to time messages alone. Not here: any device of the machine. */
import type { Behavior } from '../src/actor/behavior.js';
import { defineProtocol } from '../src/actor/protocol-codec.js';
import { actorKind } from '../src/actor/registry.js';

export interface EchoCommand {
  readonly type: 'echo.say';
  readonly value: number;
}
export interface EchoReply {
  readonly type: 'echo.said';
  readonly value: number;
}

const echo = (): Behavior<EchoCommand, EchoReply> => (ctx) => ({ receive: ({ value }) => ctx.reply({ type: 'echo.said', value }) });

export const devices = {
  echo: actorKind({ behavior: echo, command: defineProtocol<EchoCommand>()({ 'echo.say': ['value'] }), reply: defineProtocol<EchoReply>()({ 'echo.said': ['value'] }) }),
};

export const devicesUrl = import.meta.url;
