const crosslock = require('crosslock');
const { scenario } = require('./scenario.js');

scenario(crosslock).then((result) => console.log(JSON.stringify(result)));
