// One case of the official SDK for Node, against the address that the task names. Prints what it saw as JSON.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.WEIR_NODE_DIR, "package.json"));
const { OpenAI, APIError } = require("openai");

const task = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: task.baseURL, apiKey: task.apiKey, maxRetries: 0 });

const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = ["weather", "ring"].map((name) => ({ type: "function", function: { name, parameters } }));
const request = {
  model: task.model,
  messages: [{ role: "user", content: task.text }],
  ...(task.tools ? { tools } : {}),
};
const withUsage = { stream: true, stream_options: { include_usage: true } };

const cases = {
  async plain() {
    const answer = await client.chat.completions.create(request);
    const [{ message, finish_reason }] = answer.choices;
    return { content: message.content, finish_reason, request_id: answer._request_id };
  },

  async chunks() {
    const seen = { content: "", usage: null };
    for await (const chunk of await client.chat.completions.create({ ...request, ...withUsage })) {
      for (const choice of chunk.choices) seen.content += choice.delta.content ?? "";
      seen.usage = chunk.usage ?? seen.usage;
    }
    return seen;
  },

  async helper() {
    const answer = await client.chat.completions.stream({ ...request, ...withUsage }).finalChatCompletion();
    const [{ message, finish_reason }] = answer.choices;
    return { content: message.content, tool_calls: message.tool_calls, finish_reason, usage: answer.usage };
  },

  async error() {
    try {
      await client.chat.completions.create(request);
    } catch (error) {
      return { status: error.status, api_error: error instanceof APIError, message: error.message };
    }
    throw new Error("no error was raised");
  },
};

console.log(JSON.stringify(await cases[task.case]()));
