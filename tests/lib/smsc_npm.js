// The message centre of npm's smpp: accepts each session, answers each message with its number, prints what came as
// a line of JSON. Prints its port first.
const smpp = require(process.argv[2]);
let count = 0;
const server = smpp.createServer({}, session => {
	session.on('pdu', pdu => {
		if (!pdu.isResponse())
			console.log(JSON.stringify({ command: pdu.command, destination: pdu.destination_addr,
				coding: pdu.data_coding, esm_class: pdu.esm_class,
				text: (pdu.short_message && pdu.short_message.message || '').toString(),
				payload: (pdu.message_payload && pdu.message_payload.message || '').toString() }));
	});
	session.on('bind_transceiver', pdu => session.send(pdu.response({ system_id: 'npm' })));
	session.on('submit_sm', pdu => session.send(pdu.response({ message_id: 'npm-' + ++count })));
	session.on('enquire_link', pdu => session.send(pdu.response()));
	session.on('unbind', pdu => { session.send(pdu.response()); session.close(); });
	session.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
