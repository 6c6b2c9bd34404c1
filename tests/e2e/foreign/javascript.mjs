// Sends commands of the AWS SDK for JavaScript, one a line of standard input, in one process of Node.
//
// In: {"service": "drs", "command": "DescribeJobs", "input": {…}} a line, as JSON. Out: {"answer": {…}} or
// {"error": name, "status": HTTP status, "attempts": …} a line. The SDK takes endpoint, region and keys from the environment.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.FOREIGN_CLIENTS}/`);
const clients = {};

function sdk(service) {
  clients[service] ??= (() => {
    const library = require(`@aws-sdk/client-${service}`);
    const name = Object.keys(library).find((each) => each.toLowerCase() === `${service}client`);
    return { library, client: new library[name]({ endpoint: process.env.AWS_ENDPOINT_URL }) };
  })();
  return clients[service];
}

for await (const line of createInterface({ input: process.stdin })) {
  const { service, command, input } = JSON.parse(line);
  const { library, client } = sdk(service);
  let said;
  try {
    said = { answer: await client.send(new library[`${command}Command`](input)) };
  } catch (error) {
    said = { error: error.name, status: error.$metadata?.httpStatusCode, attempts: error.$metadata?.attempts };
  }
  console.log(JSON.stringify(said));
}
