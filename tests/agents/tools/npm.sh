# A package of one's own, packed, installed from its archive, and run, without the network.
mkdir -p lib app
cd lib
cat > package.json <<'J'
{ "name": "greeting", "version": "1.0.0", "main": "index.js", "bin": { "greet": "greet.js" } }
J
echo 'module.exports = () => "hello";' > index.js
printf '#!/usr/bin/env node\nconsole.log(require("./index.js")());\n' > greet.js
chmod 755 greet.js
npm pack --silent
cd ../app
cat > package.json <<'J'
{ "name": "app", "version": "1.0.0", "scripts": { "greet": "greet", "note": "echo noted > noted.txt" } }
J
npm install --silent --offline --no-audit --no-fund ../lib/greeting-1.0.0.tgz
npm run --silent greet
npm run --silent note
cat noted.txt
npm ls --offline | tail -n +2
npm uninstall --silent --offline --no-audit --no-fund greeting
ls node_modules 2>/dev/null | wc -l
