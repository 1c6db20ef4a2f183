// A file of its own: the page's Content-Security-Policy lets no script in its text run.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // swagger.io would be asked about every document that does not lie on localhost
});
