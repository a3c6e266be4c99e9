const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;

// A new element with attributes and text.
const element = (name, attributes = {}, text) => {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
  if (text !== undefined && text !== null) created.textContent = text;
  return created;
};
