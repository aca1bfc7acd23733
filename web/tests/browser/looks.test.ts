/** The main views as people see them: light, dark, on a phone; PARLEY_SHOTS keeps pictures of them. */

import { expect, test } from "vitest";
import { admin, landscape, type Person, person, room, say, useBrowser, visitAs } from "./harness/index.ts";

useBrowser();

const WORDS: [who: number, text: string][] = [
  [1, "Good morning! The bakery van comes at nine today, somebody has to open the gate."],
  [2, "I am there anyway. Key is under the third pot?"],
  [1, "Second pot. The third one has the snails."],
  [
    3,
    "Menu for Friday, please shout if something is missing:\n\n| what | for how many |\n|---|---|\n| lentil soup | 40 |\n| flatbread | 60 |\n| apple crumble | 40 |",
  ],
  [2, "60 flatbreads is *optimistic*. Last time we ran out at half past seven."],
  [3, "> ran out at half past seven\n\nThat was **before** we had two ovens."],
  [0, "I can bring the second mixer. It needs `230 V` and some patience."],
  [1, "Lovely. Shopping list is at https://example.org/list, prices are from last week."],
];

async function kitchen(): Promise<{ people: Person[]; id: string; thread: string }> {
  const people = [
    await person("Mara Lindqvist", { username: "mara" }),
    await person("Tomás Ferreira", { username: "tomas" }),
    await person("Aiko Tanaka", { username: "aiko" }),
    await person("Jonas Weber", { username: "jonas" }),
  ];
  const [mara, ...others] = people as [Person, ...Person[]];
  const made = await room(mara, others, { name: "Kitchen crew", topic: "Who cooks what, and when the van comes" });
  const sent: string[] = [];
  for (const [who, text] of WORDS) sent.push((await say(people[who] as Person, made, text)).id);
  for (const [who, text] of [
    [2, "Both? Then I am quiet."],
    [3, "Both, and a third borrowed one."],
  ] as const) {
    await people[who]?.client.api.messages.send(made.id, {
      client_msg_id: text,
      body: text,
      thread_root_id: sent[5] as string,
    });
  }
  for (const who of [0, 1, 3]) await people[who]?.client.api.messages.react(made.id, sent[2] as string, "😂");
  await mara.client.api.messages.react(made.id, sent[3] as string, "like");
  await people[2]?.client.api.messages.react(made.id, sent[3] as string, "like");
  await mara.client.api.messages.pin(made.id, sent[3] as string);
  const jonas = people[3] as Person;
  const image = await jonas.client.api.media.upload(new Blob([landscape(480, 230)], { type: "image/png" }), {
    name: "evening.png",
  });
  await jonas.client.api.messages.send(made.id, {
    client_msg_id: "evening",
    body: "From the back door, last night. For those who left early.",
    media_ids: [image.id],
  });
  await mara.client.api.sync.markRead(made.id, 1_000);
  await say(people[1] as Person, made, `@${mara.username} can you take the soup on Friday?`);
  await say(people[1] as Person, made, "The van is here. 🥖");
  const garden = await room(others[0] as Person, [mara, ...others.slice(1)], {
    name: "Garden",
    topic: "Beds, bees and the broken tap",
  });
  for (const text of ["Tap is fixed.", "For now."]) await say(people[2] as Person, garden, text);
  await room(mara, others.slice(0, 1), { name: "Accounts", visibility: "private", encryption: "sealed" });
  await room(mara, others, { name: "Quiet corner" });
  await mara.client.api.rooms.direct([(others[1] as Person).id]);
  await Promise.all(others.map(({ client }) => client.connect()));
  return { people, id: made.id, thread: sent[5] as string };
}

test("the main views are clear in light, in dark and on a phone", async () => {
  const { people, id, thread } = await kitchen();
  const mara = people[0] as Person;
  const tomas = await visitAs(people[1] as Person, `/rooms/${id}`);
  const busy = await visitAs(mara, `/rooms/${id}`);
  const { page } = busy;
  const settle = () => page.waitForTimeout(700);
  await page.getByText("The van is here").waitFor();
  await page
    .getByRole("button", { name: /View image/ })
    .locator("img")
    .waitFor();
  await page.mouse.move(0, 0);
  await settle();
  await busy.keep("room-light");
  await busy.accessible();

  await page.getByRole("article").filter({ hasText: "Second pot" }).hover();
  await settle();
  await busy.keep("room-toolbar");
  await page.getByRole("article").filter({ hasText: "Second pot" }).getByRole("button", { name: "More" }).click();
  await settle();
  await busy.keep("room-menu");
  await busy.accessible();
  await page.keyboard.press("Escape");

  await page.goto(`/rooms/${id}/threads/${thread}`);
  await page.getByText("Both, and a third borrowed one.").waitFor();
  await settle();
  await busy.keep("thread-light");
  await busy.accessible();

  await page.goto(`/rooms/${id}`);
  await page.getByRole("button", { name: "4 members" }).click();
  await page.getByRole("complementary").getByText("Jonas Weber").waitFor();
  await settle();
  await busy.keep("members-light");
  await busy.accessible();

  for (const [path, name] of [
    ["/", "home"],
    ["/rooms", "directory"],
    ["/notifications", "notifications"],
    ["/search?q=van", "search"],
  ] as const) {
    // By its link, since whoever loads the start goes on where he was.
    if (path === "/") await page.getByRole("link", { name: "Parley" }).click();
    else await page.goto(path);
    await settle();
    await busy.keep(`${name}-light`);
    await busy.accessible();
  }
  await page.goto("/");
  await page.getByRole("button", { name: "New room" }).first().click();
  await settle();
  await busy.keep("new-room-light");
  await busy.accessible();
  await page.keyboard.press("Escape");
  await page
    .getByRole("navigation")
    .getByRole("link", { name: /Quiet corner/ })
    .click();
  await page.getByText("Nobody has said anything yet").waitFor();
  await busy.keep("empty-light");

  const boss = await visitAs(await admin("Ida Holm"), "/admin/users");
  await boss.page.getByRole("table", { name: "Accounts" }).waitFor();
  await boss.settled();
  await boss.keep("admin-light");

  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(`/rooms/${id}`);
  await page.getByText("The van is here").waitFor();
  await settle();
  await busy.keep("room-dark");
  await busy.accessible();
  await page.goto(`/rooms/${id}/threads/${thread}`);
  await page.getByText("Both, and a third borrowed one.").waitFor();
  await settle();
  await busy.keep("thread-dark");
  await busy.accessible();

  const phone = await visitAs(mara, "/", {
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
    deviceScaleFactor: 2,
  });
  await phone.page.waitForTimeout(700);
  await phone.keep("phone-list");
  await phone.accessible();
  await phone.page
    .getByRole("navigation")
    .getByRole("link", { name: /Kitchen crew/ })
    .tap();
  await phone.page.getByText("The van is here").waitFor();
  await phone.page.waitForTimeout(700);
  await phone.keep("phone-room");
  await phone.fits();
  await phone.accessible();
  expect(await phone.page.getByRole("navigation").isVisible()).toBe(false);
  await tomas.page.close();
});
