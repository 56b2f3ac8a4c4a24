// @openui5/sap.ui.core 1.152.0, as it comes, in Chromium, against the gateway: prints what the models of OData 2 and 4 made
// of their batches. Its modules are read from the package, everything else goes to the gateway.
//
// Usage: CHROMIUM=… NODE_PATH=… node ui5.cjs GATEWAY_URL
"use strict";

const fs = require("fs");
const os = require("os");
const path = require("path");
const { chromium } = require("playwright-core");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const sources = path.join(path.dirname(require.resolve("@openui5/sap.ui.core/package.json")), "src");
const START = `<!doctype html><script src="/resources/ui5loader.js"></script><script>
  sap.ui.loader.config({ async: true, baseUrl: "/resources/" });
</script><script src="/resources/ui5loader-autoconfig.js"></script>`;

/** What is under `/resources/` comes from the package, and a page that loads it. */
function fromPackage(route) {
  const name = new URL(route.request().url()).pathname.replace("/resources/", "");
  if (name === "start.html") return route.fulfill({ contentType: "text/html", body: START });
  const file = path.join(sources, name);
  return fs.existsSync(file) ? route.fulfill({ path: file }) : route.fulfill({ status: 404, body: "" });
}

/** Runs in the page. */
async function see() {
  const within = (promise) => Promise.race([
    promise, new Promise((_, fail) => setTimeout(fail, 3000, { message: "no end" })),
  ]);

  async function settled(calls) {
    const results = await Promise.allSettled(calls.map(within));
    return results.map(({ value, reason }) =>
      reason ? { status: reason.status ?? reason.statusCode ?? null, message: reason.message } : { value: value ?? null });
  }

  function version2(ODataModel) {
    const model = new ODataModel("/v2/", { useBatch: true, tokenHandling: false, defaultCountMode: "None" });
    const call = (method, ...parameters) => new Promise((success, error) => {
      const options = parameters.pop() ?? {};
      model[method](...parameters, { success, error, ...options });
    }).then((data) => data ?? null);
    const read = (number) => call("read", `/Orders(${number})`, {});
    return { call, read };
  }

  async function tellVersion2(ODataModel) {
    const { call, read } = version2(ODataModel);
    const told = {};
    told.reads = await settled([read(1), read(2)]);
    told.failed = await settled([read(1), read(99), read(2)]);
    told.one = await settled([call("create", "/Orders", { Customer: "Łukasz & Søn" }, {})]);
    told.several = await settled([
      call("update", "/Orders(7)", { Customer: "Søn" }, { changeSetId: "a", groupId: "g" }),
      call("remove", "/Orders(3)", { changeSetId: "a", groupId: "g" }),
    ]);
    told.apart = await settled([
      call("update", "/Orders(7)", { Customer: "Søn" }, { changeSetId: "b", groupId: "h" }),
      call("remove", "/Orders(99)", { changeSetId: "c", groupId: "h" }),
      call("remove", "/Orders(3)", { changeSetId: "d", groupId: "h" }),
    ]);
    return told;
  }

  async function tellVersion4(ODataModel) {
    const model = new ODataModel({ serviceUrl: "/svc/", groupId: "$auto", updateGroupId: "changes" });
    const read = (number) => model.bindContext(`/Orders(${number})`).requestObject();
    const told = {};
    told.reads = await settled([read(1), read(2)]);
    told.failed = await settled([read(1), read(99), read(2)]);
    const create = (customer) => new Promise((done) => {
      const orders = model.bindList("/Orders");
      orders.attachCreateCompleted((event) => done(event.getParameter("success")));
      orders.create({ Customer: customer }, true).created().catch(() => {});
    });
    const submit = async (...customers) => {
      const created = settled(customers.map(create));
      await within(model.submitBatch("changes")).catch((error) => error);
      return created;
    };
    told.one = await submit("Łukasz & Søn");
    told.several = await submit("Łukasz", "Søn");
    return told;
  }

  const modules = (...names) => new Promise((done, fail) =>
    window.sap.ui.require(names, (...loaded) => done(loaded), fail));
  const [two, four] = await modules("sap/ui/model/odata/v2/ODataModel", "sap/ui/model/odata/v4/ODataModel");
  return { two: await tellVersion2(two), four: await tellVersion4(four) };
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchgate-ui5-"));
  const browser = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM, headless: true, args: FLAGS, timeout: 60000,
  });
  try {
    const page = await browser.newPage();
    await page.route("**/resources/**", fromPackage);
    await page.goto(`${process.argv[2]}/resources/start.html`, { timeout: 30000 });
    console.log(JSON.stringify(await page.evaluate(see)));
  } finally {
    await browser.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error) => { console.error(error); process.exitCode = 1; });
