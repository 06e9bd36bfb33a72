import { parseJsonObject, type ModelFileRole } from '@mobillm/core';
import { readWhole, type FileTree } from './file-tree.js';
import type { FolderFile } from './folder-format.js';

/** What lies beside the weights of a model in a folder, by name. Programs and pictures are none. */
const roles: Readonly<Record<string, ModelFileRole>> = {
  'tokenizer.json': 'tokenizer',
  'tokenizer_config.json': 'tokenizer',
  'tokenizer.model': 'tokenizer',
  'tekken.json': 'tokenizer',
  'spiece.model': 'tokenizer',
  'vocab.json': 'tokenizer',
  'vocab.txt': 'tokenizer',
  'merges.txt': 'tokenizer',
  'added_tokens.json': 'tokenizer',
  'special_tokens_map.json': 'tokenizer',
  'chat_template.jinja': 'config',
  'chat_template.json': 'config',
  'generation_config.json': 'config',
  'preprocessor_config.json': 'config',
  'processor_config.json': 'config',
};
const licenceForm = /^(?:licen[cs]e|notice|use_policy)(?:\.(?:txt|md))?$/i;

const maxTokenizerConfigBytes = 8 * 2 ** 20;
/** As long as the template of a GGUF file may be. */
const maxTemplateBytes = 2 ** 20;

/** Tokenizer, settings and licence of a folder, but for those that are listed already. */
export async function companionsOf(
  tree: FileTree,
  listed: readonly { readonly path: string }[] = [],
): Promise<FolderFile[]> {
  const known = new Set(listed.map(({ path }) => path));
  const found: FolderFile[] = [];
  for (const name of await tree.names()) {
    const role = Object.hasOwn(roles, name)
      ? roles[name]
      : licenceForm.test(name)
        ? 'license'
        : undefined;
    if (role === undefined || known.has(name)) continue;
    const fileBytes = await tree.sizeOf(name);
    if (fileBytes !== undefined) found.push({ path: name, fileBytes, role });
  }
  return found;
}

/** The chat template of a folder, as part of its description; nothing where there is none that is of use. */
export async function chatTemplateOf(
  tree: FileTree,
  signal: AbortSignal,
): Promise<{ readonly chatTemplate?: string }> {
  const names = await tree.names();
  if (names.includes('chat_template.jinja')) {
    const bytes = (await tree.sizeOf('chat_template.jinja')) ?? 0;
    if (bytes > maxTemplateBytes) return {};
    const text = await readWhole(tree, 'chat_template.jinja', maxTemplateBytes, signal);
    return { chatTemplate: new TextDecoder().decode(text) };
  }
  const config = 'tokenizer_config.json';
  if (!names.includes(config)) return {};
  if (((await tree.sizeOf(config)) ?? 0) > maxTokenizerConfigBytes) return {};
  const bytes = await readWhole(tree, config, maxTokenizerConfigBytes, signal);
  const { chat_template: template } = parseJsonObject(bytes, `${tree.where}/${config}`);
  return typeof template === 'string' && template.length <= maxTemplateBytes
    ? { chatTemplate: template }
    : {};
}
