// A viewer of the OpenAPI document of the service.
const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text, ...properties });

function type(schema) {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return make("a", name, { href: `#${name}` });
  }
  if (schema.type === "array") {
    const list = document.createElement("span");
    list.append("list of ", type(schema.items));
    return list;
  }
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants) {
    const one = document.createElement("span");
    variants.forEach((variant, index) => one.append(index ? " or " : "", type(variant)));
    return one;
  }
  if (schema.enum) return schema.enum.join(", ");
  return [].concat(schema.type ?? "object").join(" or ");
}

const content = (part) => Object.entries(part?.content ?? {}).map(([kind, { schema }]) => [kind, type(schema)]);

function route(method, path, operation) {
  const box = make("div", "", { className: "route" });
  const title = document.createElement("div");
  title.append(make("span", method.toUpperCase(), { className: "method" }), make("code", path));
  box.append(title, make("div", operation.summary ?? ""));
  const bodies = [
    ...content(operation.requestBody).map(([kind, what]) => ["takes", kind, what]),
    ...Object.entries(operation.responses ?? {}).flatMap(([status, response]) =>
      content(response).map(([kind, what]) => [`gives ${status}`, kind, what])),
  ];
  for (const [direction, kind, what] of bodies) {
    const line = make("div", `${direction}: `);
    line.append(what, kind === "application/json" ? "" : ` (${kind})`);
    box.append(line);
  }
  return box;
}

function body(name, schema) {
  const box = make("div", "", { className: "route", id: name });
  box.append(make("h3", name), make("p", schema.description ?? ""));
  const rows = Object.entries(schema.properties ?? {}).map(([field, of]) => {
    const row = document.createElement("tr");
    const kind = document.createElement("td");
    kind.append(type(of));
    row.append(make("td", field), kind, make("td", of.description ?? ""));
    return row;
  });
  const table = document.createElement("table");
  table.append(...rows);
  box.append(table);
  return box;
}

const described = await (await fetch("/v1/openapi.json")).json();
const routes = Object.entries(described.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => route(method, path, operation)));
document.getElementById("routes").replaceChildren(...routes);
const schemas = Object.entries(described.components?.schemas ?? {});
document.getElementById("bodies").replaceChildren(...schemas.map(([name, schema]) => body(name, schema)));
