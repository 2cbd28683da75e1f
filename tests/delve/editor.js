// Drives `dlv dap` over a recording of bank.go with the client that VS Code's tests of debug adapters use:
// node editor.js PORT TRACE SOURCE LINE_OF_TOTAL LINE_OF_DEPOSIT

const assert = require('assert');
const { DebugClient } = require('@vscode/debugadapter-testsupport');

const LIMIT_MS = 120000;
const [port, traceDirPath, path, total, deposit] = process.argv.slice(2).map((word, n) => (n === 1 || n === 2 ? word : Number(word)));

class Editor {
    constructor() {
        this.client = new DebugClient('dlv', 'dap', 'go');
        this.client.defaultTimeout = LIMIT_MS;
        this.logged = [];
        this.stepsBack = false;
        this.client.on('output', event => {
            if (event.body.output && event.body.output.includes('deposits')) this.logged.push(event.body.output.trim());
        });
        this.client.on('capabilities', event => {
            this.stepsBack = this.stepsBack || event.body.capabilities.supportsStepBack;
        });
    }

    async launch(breakpoints) {
        await this.client.start(port);
        await this.client.initializeRequest();
        const initialized = this.client.waitForEvent('initialized');
        const launched = this.client.launchRequest({ mode: 'replay', traceDirPath });
        await initialized;
        await this.breakAt(breakpoints);
        const stopped = this.client.waitForEvent('stopped');
        await this.client.configurationDoneRequest();
        await launched;
        return this.lineOf(await stopped);
    }

    async breakAt(breakpoints) {
        const set = await this.client.setBreakpointsRequest({ source: { path }, breakpoints });
        assert(set.body.breakpoints.every(breakpoint => breakpoint.verified), JSON.stringify(set.body));
    }

    async lineOf(stopped) {
        this.thread = stopped.body.threadId;
        const stack = await this.client.stackTraceRequest({ threadId: this.thread, levels: 1 });
        return stack.body.stackFrames[0].line;
    }

    // Moves, and gives the line at which that ended.
    async go(command) {
        const stopped = this.client.waitForEvent('stopped');
        await this.client.customRequest(command, { threadId: this.thread });
        return this.lineOf(await stopped);
    }

    async value(expression) {
        const body = (await this.client.evaluateRequest({ expression, context: 'watch' })).body;
        return body.result;
    }
}

async function main() {
    const editor = new Editor();
    const first = await editor.launch([
        { line: total, condition: 'd.amount >= 12' },
        { line: deposit, logMessage: 'deposits {d.amount}' },
    ]);
    assert.equal(first, total);
    assert.equal(await editor.value('d.amount'), '12');
    assert(editor.stepsBack, 'it says that it steps back');
    assert.equal(editor.logged.length, 10, editor.logged.join());

    assert.equal(await editor.go('stepBack'), total - 1);
    assert.equal(await editor.go('next'), total);
    assert.equal(await editor.go('continue'), total);
    assert.equal(await editor.value('d.amount'), '13');
    assert.equal(await editor.go('reverseContinue'), total);
    assert.equal(await editor.value('d.amount'), '12');

    // Back over those at which the condition does not hold, to another place.
    await editor.breakAt([{ line: total, condition: 'd.amount == 3' }]);
    assert.equal(await editor.go('reverseContinue'), total);
    assert.equal(await editor.value('d.amount'), '3');
    await editor.breakAt([]);
    await editor.client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'main.balance' }] });
    await editor.go('continue');
    assert.equal(await editor.value('len(a.history)'), '18');
    // Delve may close the connection with something unread in it, which resets it.
    process.on('uncaughtException', error => process.exit(error.code === 'ECONNRESET' ? 0 : 1));
    await editor.client.disconnectRequest({ terminateDebuggee: true });
    await editor.client.stop();
}

main().then(() => process.exit(0), error => {
    console.error(error);
    process.exit(1);
});
