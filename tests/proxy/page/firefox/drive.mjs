// Drives the page in Firefox as a person would, and prints what happened as one line of JSON:
// node drive.mjs FIREFOX URL RECORDING TEXT. Asserts nothing: tests/proxy/page/test_firefox.py does.

import puppeteer from "puppeteer-core";

const [program, url, recording, text] = process.argv.slice(2);
const WITHIN_MS = 60_000;

/** Before the page's own scripts: what reaches the loudspeakers is measured, and the audio's clock is known. */
function measureAudio() {
  const heard = (window.heard = { peak: 0, contexts: [] });
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode && to.context instanceof AudioContext) {
      const meter = to.context.createAnalyser();
      const samples = new Float32Array(meter.fftSize);
      connect.call(this, meter);
      heard.contexts.push(to.context);
      setInterval(() => {
        meter.getFloatTimeDomainData(samples);
        heard.peak = Math.max(heard.peak, ...samples.map(Math.abs));
      }, 20);
    }
    return connect.call(this, to, ...more);
  };
}

async function opened(browser, report) {
  const page = await browser.newPage();
  page.setDefaultTimeout(WITHIN_MS);
  page.on("console", (message) => report.said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => report.said.push(`thrown: ${error.message}`));
  page.on("request", (request) => report.asked.push(request.url()));
  await page.evaluateOnNewDocument(measureAudio);
  return page;
}

/** The words in the order in which they were lit, until the last one was, or for as long as one waits. */
function litWords([last, withinMs]) {
  const lit = () => document.querySelector("#speak [data-start][aria-current=true]")?.textContent;
  return new Promise((resolve) => {
    const seen = [];
    const changes = new MutationObserver(() => {
      const word = lit();
      if (word && seen.at(-1) !== word) seen.push(word);
      if (word === last) end();
    });
    const end = () => {
      changes.disconnect();
      clearTimeout(timer);
      resolve(seen);
    };
    const timer = setTimeout(end, withinMs);
    changes.observe(document.querySelector("#speak"), { subtree: true, attributeFilter: ["aria-current"] });
  });
}

async function speak(page, report) {
  await page.goto(`${url}/#speak`);
  await page.locator("::-p-aria([name='Text'][role='textbox'])").fill(text);
  const lit = page.evaluate(litWords, [text.split(" ").at(-1), WITHIN_MS]);
  await page.locator("::-p-aria([name='Speak'][role='button'])").click();
  report.lit = await lit;
  report.heard = await page.evaluate(() => ({
    peak: window.heard.peak,
    clocks: window.heard.contexts.map((context) => [context.state, context.currentTime]),
  }));
}

async function listen(page, report) {
  await page.goto(`${url}/#listen`);
  const input = await page.waitForSelector("#listen input[type=file]");
  await input.uploadFile(recording);
  await page.waitForSelector("#listen .segments .segment");
  const words = (spans) => spans.map((span) => span.textContent);
  report.transcript = await page.$$eval("#listen .words [data-start]", words);
  await page.locator("#listen .words [data-start]").click();
  await page.waitForSelector("#listen [data-start][aria-current=true]");
}

/** Whether the microphone's meter moves within that time. */
function loudness(withinMs) {
  const until = performance.now() + withinMs;
  return new Promise((resolve) => {
    const look = () => {
      const loud = document.querySelector("#listen meter").value > 0.1;
      if (loud || performance.now() > until) resolve(loud);
      else setTimeout(look, 50);
    };
    look();
  });
}

/** Firefox's own microphone of tests gives a tone. */
async function record(page, report) {
  await page.goto(`${url}/#listen`);
  await page.locator("::-p-aria([name='Record'][role='button'])").click();
  await page.waitForSelector("#listen meter");
  report.loud = await page.evaluate(loudness, WITHIN_MS);
  report.recorded = await page.$eval("#listen [role=timer]", (timer) => timer.textContent);
  await page.locator("::-p-aria([name='Discard'][role='button'])").click();
  await page.waitForSelector("::-p-aria([name='Record'][role='button'])");
}

const report = { said: [], asked: [], lit: [], heard: null, transcript: [], loud: false, recorded: null };
const browser = await puppeteer.launch({
  browser: "firefox",
  protocolTimeout: 0, // who has started this ends it
  executablePath: program,
  extraPrefsFirefox: {
    "media.autoplay.default": 0,
    "media.navigator.permission.disabled": true,
    "media.navigator.streams.fake": true,
  },
});
try {
  for (const part of [speak, listen, record]) {
    const page = await opened(browser, report);
    await part(page, report);
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(report));
