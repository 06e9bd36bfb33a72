import type { Command, CommandResult } from '../command.js';
import type { StoredModel } from '@mobillm/core';
import { parseNumber, showBytes } from '../values.js';
import { bytesOf } from './list.js';

/** Downloads a model. */
export const pull: Command = {
  name: 'pull',
  usage: '<reference>',
  summary: 'Downloads a model, or goes on with a download that was broken off.',
  details: `A reference is one of
  hf:owner/repo[@revision][:quantization or file]   a Hugging Face hub
  ollama:[[host/]namespace/]name[:tag]              an Ollama registry
  modelscope:owner/repo[@revision][:…]              ModelScope
  https://…[#sha256=…]                              a file at an address`,
  positionals: { min: 1, max: 1 },
  options: {
    name: { type: 'string', value: 'name', help: 'name in the store' },
    mirror: {
      type: 'string',
      multiple: true,
      value: 'address',
      help: 'a further address of the same bytes; may be repeated',
    },
    connections: { type: 'string', value: 'count', help: 'connections at once, 1 to 8' },
  },
  stopped: 'What has come is kept: the same pull goes on from there.',
  async run({ store, args, job }) {
    const name = args.text('name');
    const connections = args.text('connections');
    const mirrors = args.texts('mirror');
    const model = await store.pull(args.positionals[0] ?? '', {
      ...job,
      ...(name !== undefined && { name }),
      ...(mirrors.length > 0 && { mirrors }),
      ...(connections !== undefined && { connections: parseNumber('connections', connections, 1) }),
    });
    return taken(model);
  },
};

/** Adds a file of this device. */
export const add: Command = {
  name: 'add',
  usage: '<file or reference>',
  summary: 'Adds a model where it lies, or takes it into the store.',
  details: 'A reference such as ollama:smollm2:135m is what another app holds; "discover" tells.',
  positionals: { min: 1, max: 1 },
  options: {
    name: { type: 'string', value: 'name', help: 'name in the store; by default that of the file' },
    move: { type: 'boolean', help: 'take the file into the store' },
    sha256: { type: 'string', value: 'sum', help: 'the sha256 that it must have' },
    hash: { type: 'boolean', help: 'compute the sha256 now, and not when it is first verified' },
    'derived-from': { type: 'string', value: 'name', help: 'the model that it was made from' },
  },
  async run({ store, args, job }) {
    const name = args.text('name');
    const sha256 = args.text('sha256');
    const derivedFrom = args.text('derived-from');
    const model = await store.add(args.positionals[0] ?? '', {
      ...job,
      placement: args.flag('move') ? 'move' : 'link',
      ...(args.flag('hash') && { hash: 'now' }),
      ...(name !== undefined && { name }),
      ...(sha256 !== undefined && { sha256 }),
      ...(derivedFrom !== undefined && { derivedFrom }),
    });
    return taken(model);
  },
};

function taken(model: StoredModel): CommandResult {
  const { name, description } = model;
  const line = `${name}: ${showBytes(bytesOf(model))}, ${description.architecture}, ${description.quantization}`;
  return { json: model, lines: [line] };
}
