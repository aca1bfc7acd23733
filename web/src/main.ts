import "./theme/base.css";
import { mount } from "svelte";
import { App } from "./lib/app.svelte.ts";
import { keepPage } from "./lib/offline.ts";
import { renewWhenOutdated } from "./lib/renewal.ts";
import { router } from "./lib/router.svelte.ts";
import Root from "./Root.svelte";
import { Cache } from "./store/cache.ts";

const target = document.getElementById("app");
if (target === null) throw new Error("The page has no place for the app.");

const app = new App(await Cache.open());
document.addEventListener("click", router.follow);
renewWhenOutdated();
target.replaceChildren();
mount(Root, { target, props: { app } });
await app.start();
await keepPage();
