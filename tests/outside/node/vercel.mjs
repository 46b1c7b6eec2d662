// The Vercel AI SDK against the address that the task names. Runs the case that it names, and prints what it saw as JSON.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.WEIR_NODE_DIR, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { generateObject, jsonSchema, stepCountIs, streamText, tool } = await load("ai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { createOpenAI } = await load("@ai-sdk/openai");

const task = JSON.parse(process.argv[2]);
const { baseURL, apiKey } = task;

const models = {
  chat: () =>
    createOpenAICompatible({ name: "weir", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true })(
      task.model,
    ),
  responses: () => createOpenAI({ baseURL, apiKey }).responses(task.model),
};

// What a client of Responses asks for that keeps the conversation itself.
const stateless = {
  store: false,
  include: ["reasoning.encrypted_content"],
  reasoningEffort: "low",
  reasoningSummary: "auto",
  forceReasoning: true,
};

const request = {
  model: models[task.api](),
  maxRetries: 0,
  providerOptions: task.api === "responses" ? { openai: stateless } : {},
};

const usageOf = ({ inputTokens, outputTokens, inputTokenDetails, outputTokenDetails }) => ({
  prompt: inputTokens,
  completion: outputTokens,
  cached: inputTokenDetails?.cacheReadTokens ?? null,
  reasoning: outputTokenDetails?.reasoningTokens ?? null,
});

const cases = {
  // A conversation with tools, which the SDK runs and answers for by itself.
  async streamText() {
    const tools = Object.fromEntries(
      task.tools.map(({ name, description, schema }) => {
        const execute = (input) => {
          const call = task.calls.find((call) => call.name === name && isSame(call.arguments, input));
          if (!call) throw new Error(`nobody asked for ${name}(${JSON.stringify(input)})`);
          return call.result;
        };
        return [name, tool({ description, inputSchema: jsonSchema(schema), execute })];
      }),
    );
    let failure = null;
    const result = streamText({
      ...request,
      system: task.system,
      prompt: task.prompt,
      tools,
      stopWhen: stepCountIs(task.calls.length + 2),
      onError: ({ error }) => (failure ??= error),
    });
    let text = "";
    for await (const part of result.textStream) text += part;
    if (failure) throw failure;
    const steps = (await result.steps).map((step) => ({
      text: step.text,
      thought: step.reasoningText ?? "",
      calls: step.toolCalls.map(({ toolCallId, toolName, input }) => [toolCallId, toolName, input]),
      finish: step.finishReason,
      ...usageOf(step.usage),
    }));
    return { text, steps };
  },

  async generateObject() {
    const schema = jsonSchema(task.schema);
    const { object, finishReason } = await generateObject({ ...request, schema, prompt: task.prompt });
    return { object, finish: finishReason };
  },
};

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

try {
  console.log(JSON.stringify(await cases[task.case]()));
} catch (error) {
  console.error(`${error.stack}\n${error.responseBody ?? ""}`);
  process.exitCode = 1;
}
