export * from './chat/message.js';
export * from './chat/tools/tool-call.js';
export * from './chat/tools/tool-definition.js';
export * from './engine/capabilities.js';
export * from './engine/device.js';
export * from './engine/driver.js';
export * from './engine/adapter.js';
export * from './engine/engine.js';
export * from './engine/generation-options.js';
export * from './engine/open-options.js';
export * from './engine/session-options.js';
export * from './engine/text-options.js';
export * from './engine/model-compiler.js';
export { checkCompileOptions } from './engine/check-compile-options.js';
export type { CompilePart, CompileReport } from './engine/compile-report.js';
export { runCompilation } from './engine/run-compilation.js';
export type { ResolvedSampling, SamplingOptions } from './engine/sampling.js';
export * as check from './errors/check-options.js';
export * from './errors/error-code.js';
export * from './errors/invalid-argument.js';
export * from './errors/mobillm-error.js';
export { checkKvShape, checkKvSnapshot } from './kv/check-kv-snapshot.js';
export { convertKvSnapshot, type KvForm } from './kv/convert-kv-snapshot.js';
export { decodeKvSnapshot, encodeKvSnapshot } from './kv/kv-codec.js';
export * from './kv/kv-snapshot.js';
export * from './kv/require-importable.js';
export { joinKvSnapshots, sliceKvSnapshot } from './kv/slice-kv-snapshot.js';
export {
  type JsonSchema,
  type JsonSchemaGrammarOptions,
  jsonSchemaToGrammar,
} from './structure/json-schema-to-grammar.js';
export type { JsonWhitespace } from './structure/json-grammar.js';
export { regexToGrammar } from './structure/regex-to-grammar.js';
export * as fields from './formats/fields.js';
export { parseJsonObject } from './formats/json-object.js';
export * from './formats/mlc/mlc-config.js';
export * from './formats/mlc/tensor-cache.js';
export type { TransformerShape } from './formats/transformer-shape.js';
export { parseQnnManifest } from './formats/qnn/parse-qnn-manifest.js';
export * from './formats/qnn/qnn-manifest.js';
export { usableContextTokens } from './formats/qnn/usable-context.js';
export { fileBytes, readModelFile, type ReadModelFileOptions } from './platform/model-file.js';
export type { ByteSource } from './platform/platform.js';
export * from './store/model-description.js';
export * from './store/model-files.js';
export * from './store/model-store.js';
export * from './stream/generation-event.js';
export * from './stream/generation-run.js';
export * from './stream/samples-run.js';
export { requireToken, requireWellFormed } from './tokenizer/check-text.js';
export { createJsonTokenizer, type JsonTokenizerOptions } from './tokenizer/json-tokenizer.js';
export { toTokenizerJson, type TokenizerFiles } from './tokenizer/to-tokenizer-json.js';
export * from './tokenizer/tokenizer.js';
export * from './hybrid/create-hybrid-engine.js';
export type { HybridCounts } from './hybrid/hybrid-counts.js';
export { createEngine } from './runtime/create-engine.js';
export { memoryAdvice } from './runtime/memory-advice.js';
export { ggmlTypes, type GgmlType } from './gguf/ggml-types.js';
export type * from './gguf/gguf-layout.js';
export { ggufWeightsFile } from './gguf/gguf-weights-file.js';
export { ggufLineage, type GgufLineageOptions, hashFile } from './gguf/gguf-lineage.js';
export type * from './gguf/llama-parameters.js';
export { readLlamaParameters } from './gguf/read-llama-parameters.js';
export * from './gguf/read-vocabulary.js';
export {
  type LoraAdapterFile,
  type LoraBase,
  type LoraPair,
  validateLoraAdapter,
} from './gguf/validate-lora-adapter.js';
export { validateGgufFile } from './gguf/validate-gguf-file.js';
export { validateGguf, type ValidateGgufOptions } from './gguf/validate-gguf.js';
export { sampleCpuIdle, type SampleCpuIdleOptions } from './hardware/cpu-idle.js';
export * from './hardware/hardware-profile.js';
export { probeHardware, type ProbeHardwareOptions } from './hardware/probe-hardware.js';
export {
  chooseContext,
  chooseContextAsync,
  type ChosenContext,
  contextCandidates,
  type ContextRange,
  largestAutoContextTokens,
  smallestAutoContextTokens,
} from './planner/choose-context.js';
export { chooseThreads, type ChosenThreads } from './planner/choose-threads.js';
export { estimateMemory, type MemorySettings } from './planner/estimate-memory.js';
export { formatPlan } from './planner/format-plan.js';
export {
  kvBytesPerToken,
  kvCacheBytes,
  type KvCacheSettings,
  type KvModel,
  type KvType,
} from './planner/kv-cache.js';
export { formatBytes } from './planner/format-bytes.js';
export { memoryBudget } from './planner/memory-budget.js';
export { planModel, type PlanEngine, type PlanModelOptions } from './planner/plan-model.js';
export * from './planner/plan.js';
