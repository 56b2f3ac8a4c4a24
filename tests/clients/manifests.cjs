// Judges manifests of the Prometheus operator and of the Gateway API by the schemas of their definitions: a JSON list of them
// comes on standard input. These schemas allow members that they do not know.
const { readFileSync } = require('node:fs');

const MODELS = `${process.env.NODE_PATH}/@kubernetes-models`;
const FILES = {
  'monitoring.coreos.com/v1': `${MODELS}/prometheus-operator/monitoring.coreos.com/v1/index.js`,
  'gateway.networking.k8s.io/v1': `${MODELS}/gateway-api/gateway.networking.k8s.io/v1/index.js`,
};

async function main() {
  for (const manifest of JSON.parse(readFileSync(0, 'utf8'))) {
    const models = await import(FILES[manifest.apiVersion]);
    new models[manifest.kind](manifest).validate();
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
