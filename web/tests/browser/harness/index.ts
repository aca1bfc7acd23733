export * from "./people.ts";
export * from "./picture.ts";
export * from "./visitor.ts";
