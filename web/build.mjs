// Builds the page: `node build.mjs FOLDER` writes index.html, app.js, app.css and microphone.js there.
import { cp, mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { build } from "esbuild";

const own = import.meta.dirname;
const folder = process.argv[2] ?? `${own}/../gateway/page/built`;
await mkdir(folder, { recursive: true });
await build({
  entryPoints: { app: "source/main.tsx", microphone: "source/microphone.ts" },
  absWorkingDir: own,
  outdir: resolve(folder),
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
});
await cp(`${own}/source/index.html`, `${folder}/index.html`);
await cp(`${own}/source/icon.svg`, `${folder}/icon.svg`);
