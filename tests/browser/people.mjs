// People at the browser client, who see and press what is on the page, and nothing else.

import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const { chromium } = createRequire(`${resolve(process.env.PLAYWRIGHT)}/`)('playwright-core');
/** Where pictures of the pages are kept, to be looked at. */
const PICTURES = resolve(process.env.PLAYWRIGHT, 'pictures');
/** Milliseconds that anything on a page may take. */
export const PATIENCE = 15_000;
export const DESK = { width: 1100, height: 800 };
export const PHONE = { width: 360, height: 740 };

/** A browser. It can ask for nothing outside of this machine; its microphone is `wav`, or a beep of the browser's own. */
export function launch({ wav, args = [], prompts = false } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      '--no-sandbox',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      '--use-fake-device-for-media-stream',
      '--allow-loopback-in-peer-connection',
      '--autoplay-policy=no-user-gesture-required',
      ...(prompts ? [] : ['--use-fake-ui-for-media-stream']),
      ...(wav ? [`--use-file-for-fake-audio-capture=${wav}`] : []),
      ...args,
    ],
  });
}

/** Somebody whom no other page knows, at the first page of the client. `faults` gathers what goes wrong in the page. */
export async function visitor(browser, address, { script, ...options } = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  if (script) await context.addInitScript(script);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.stack));
  page.on('console', (told) => /Content Security Policy|TrustedHTML/.test(told.text()) && page.faults.push(told.text()));
  await page.goto(address);
  return page;
}

/** Somebody in the lobby, or in the room that the address names, under a name. */
export async function person(browser, address, name, options) {
  const page = await visitor(browser, address, options);
  await named(page, name);
  return page;
}

export async function named(page, name) {
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Your name').waitFor({ state: 'detached' });
}

/** Opens a room, as its host. Gives its address. */
export async function opens(page, subject) {
  await page.getByLabel('A new room').fill(subject);
  await press(page, 'Create room');
  await inRoom(page, subject);
  return page.url();
}

/** Enters a room from the lobby's list. */
export async function enters(page, subject) {
  await page.getByRole('link', { name: subject }).click();
  await inRoom(page, subject);
}

export async function inRoom(page, subject) {
  await page.getByRole('heading', { name: subject, level: 1 }).waitFor();
  await page.getByRole('heading', { name: 'On stage' }).waitFor();
}

/** Presses the button of that name; of several, the one in the dialog on top. */
export function press(page, name, { exact = true } = {}) {
  return page.getByRole('button', { name, exact }).last().click();
}

/** Waits for a text that can be seen. */
export function reads(page, text, patience = PATIENCE) {
  return page.getByText(text).filter({ visible: true }).first().waitFor({ timeout: patience });
}

/** A seat on stage, by its person's name; `state` is a word that is read out with it. */
export function seat(page, name, state = '') {
  const at = page.getByRole('region', { name: 'On stage' }).getByRole('listitem').filter({ hasText: name });
  return state ? at.filter({ hasText: state }) : at;
}

/** The names in a list of the room, in their order. */
export function names(page, title) {
  return page.getByRole('region', { name: title }).getByRole('listitem').locator('.name').allInnerTexts();
}

/** Keeps a picture of a page as it is. */
export async function picture(page, name) {
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: resolve(PICTURES, `${name}.png`), animations: 'disabled' });
}
