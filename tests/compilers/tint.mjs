// node tint.mjs PACKAGE CONTROL FOLDER: compiles every WGSL file of the folder with Tint, the compiler
// of Dawn and Chromium, on Dawn's device that runs nothing. PACKAGE is the folder of the npm package
// webgpu. CONTROL is a file that Tint has to refuse.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const [folder, control, shaders] = process.argv.slice(2);
const { create, globals } = await import(join(folder, 'index.js'));
const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
Object.assign(globalThis, globals);
// Dawn crashes if this object is collected.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const requiredFeatures = ['shader-f16', 'subgroups'].filter((name) => adapter.features.has(name));
const device = await adapter.requestDevice({ requiredFeatures });

/** The messages of the compiler about a file; none if it makes a pipeline. */
async function refusal(path) {
    const code = readFileSync(path, 'utf8');
    device.pushErrorScope('validation');
    device.pushErrorScope('internal');
    const module = device.createShaderModule({ code });
    let failure;
    try {
        await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    } catch (error) {
        failure = error.message;
    }
    const scopes = [await device.popErrorScope(), await device.popErrorScope()];
    const { messages } = await module.getCompilationInfo();
    const lines = messages
        .filter(({ type }) => type === 'error')
        .map(({ lineNum, message }) => `${message} | ${code.split('\n')[lineNum - 1]?.trim()}`);
    const found = [...lines, ...scopes.map((scope) => scope?.message), failure].filter(Boolean);
    return found.length ? found.join('\n  ') : undefined;
}

if (!(await refusal(control))?.includes('uniform')) {
    console.error(`Tint takes ${control}, which is wrong`);
    process.exit(1);
}
const files = readdirSync(shaders).filter((name) => name.endsWith('.wgsl')).sort();
if (!files.length) {
    console.error(`${shaders}: no files`);
    process.exit(1);
}
let passed = 0;
for (const file of files) {
    const found = await refusal(join(shaders, file));
    if (found) console.error(`Tint: ${file}: ${found}`);
    else passed += 1;
}
console.log(`Tint of webgpu ${version}: ${passed} of ${files.length}`);
// Dawn keeps node waiting.
process.exit(gpu && passed === files.length ? 0 : 1);
