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

/** Each frame's lit word, until the last one was lit. */
function litWords(last) {
  return new Promise((resolve) => {
    const seen = [];
    const frame = () => {
      const lit = document.querySelector("#speak [data-start][aria-current=true]");
      if (lit && seen.at(-1) !== lit.textContent) seen.push(lit.textContent);
      if (seen.at(-1) === last) resolve(seen);
      else requestAnimationFrame(frame);
    };
    frame();
  });
}

async function speak(page, report) {
  await page.goto(`${url}/#speak`);
  await page.locator("::-p-aria([name='Text'][role='textbox'])").fill(text);
  await page.locator("::-p-aria([name='Speak'][role='button'])").click();
  report.lit = await page.evaluate(litWords, text.split(" ").at(-1));
  report.heard = await page.evaluate(() => ({
    peak: window.heard.peak,
    clocks: window.heard.contexts.map((context) => [context.state, context.currentTime]),
  }));
}

async function listen(page, report) {
  await page.goto(`${url}/#listen`);
  const input = await page.waitForSelector("#listen input[type=file]");
  await input.uploadFile(recording);
  await page.waitForSelector("#listen .segment");
  const words = (spans) => spans.map((span) => span.textContent);
  report.transcript = await page.$$eval("#listen .words [data-start]", words);
  await page.locator("#listen .words [data-start]").click();
  await page.waitForSelector("#listen [data-start][aria-current=true]");
}

/** Firefox's own microphone of tests gives a tone. */
async function record(page, report) {
  await page.locator("::-p-aria([name='Record'][role='button'])").click();
  await page.waitForSelector("#listen meter");
  for (let loud = false; !loud;) loud = await page.$eval("#listen meter", (meter) => meter.value > 0.1);
  report.recorded = await page.$eval("#listen [role=timer]", (timer) => timer.textContent);
  await page.locator("::-p-aria([name='Discard'][role='button'])").click();
  await page.waitForSelector("::-p-aria([name='Record'][role='button'])");
}

const report = { said: [], asked: [], lit: [], heard: null, transcript: [], recorded: null };
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: program,
  extraPrefsFirefox: {
    "media.autoplay.default": 0,
    "media.navigator.permission.disabled": true,
    "media.navigator.streams.fake": true,
  },
});
try {
  const page = await opened(browser, report);
  for (const part of [speak, listen, record]) await part(page, report);
} finally {
  await browser.close();
}
console.log(JSON.stringify(report));
