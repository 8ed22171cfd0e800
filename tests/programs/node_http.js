// SPDX-License-Identifier: BSD-2-Clause
//
// node_http.js server ADDRESS PORT | client ADDRESS PORT CONNECTIONS N
// Node's http server answers a POST with its body and the body's MD5 sum; the client keeps
// connections open, compares each answer and prints facts for the test.
'use strict';
const http = require('http');
const crypto = require('crypto');
const [, , what, addr, port, conns, n] = process.argv;
const md5 = (b) => crypto.createHash('md5').update(b).digest('hex');

function serve() {
	http.createServer((req, res) => {
		const parts = [];
		req.on('data', (d) => parts.push(d));
		req.on('end', () => {
			const body = Buffer.concat(parts);
			res.setHeader('x-sum', md5(body));
			res.end(body);
		});
	}).listen(+port, addr);
}

function post(agent, body) {
	return new Promise((ok, fail) => {
		const req = http.request({ host: addr, port, method: 'POST', agent, timeout: 10000 }, (res) => {
			const parts = [];
			res.on('data', (d) => parts.push(d));
			res.on('end', () => {
				const back = Buffer.concat(parts);
				if (!back.equals(body) || res.headers['x-sum'] !== md5(body))
					fail(new Error('wrong answer'));
				else
					ok(back);
			});
			res.on('error', fail);
		});
		req.on('timeout', () => req.destroy(new Error('timeout')));
		req.on('error', fail);
		req.end(body);
	});
}

async function one(agent, c) {
	const h = crypto.createHash('md5');
	for (let i = 0; i < +n; i++)
		h.update(await post(agent, Buffer.alloc((c * 7919 + i * 1543) % 60000, String(i))));
	return h.digest('hex');
}

async function main() {
	const agent = new http.Agent({ keepAlive: true, maxSockets: +conns });
	const start = Date.now();
	const sums = await Promise.all([...Array(+conns).keys()].map((c) => one(agent, c)));
	const ms = Date.now() - start;
	agent.destroy();
	console.log('= answers ' + md5(sums.join('')));
	console.log('~ requests/s ' + Math.round(conns * n * 1000 / ms));
}

if (what === 'server')
	serve();
else
	main().catch((e) => { console.error(e); process.exit(1); });
