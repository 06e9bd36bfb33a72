import { createEngine } from '@mobillm/core';
import { createEchoDriver } from './echo-driver.js';

const [file, ...messages] = process.argv.slice(2);
if (file === undefined || messages.length === 0) {
  console.error('usage: npm start -- <any file> <message> [<next message> …]');
  process.exit(2);
}

// Sessions, templates, streams and errors are core's; the driver only knows tokens.
await using engine = createEngine(createEchoDriver());
await using model = await engine.open(file);
await using session = await model.createSession();
for (const message of messages) {
  const { text, usage } = await session.send(message, { maxTokens: 2 * message.length });
  console.log(text);
  console.error(`${usage.cachedTokens} of ${usage.promptTokens} prompt tokens were cached`);
}
