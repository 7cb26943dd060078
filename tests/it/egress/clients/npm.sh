export NODE_EXTRA_CA_CERTS=$CA npm_config_cafile=$CA npm_config_cache=$PWD/cache npm_config_registry=https://$WEB/npm/ npm_config_update_notifier=false
echo '{"name":"shop","version":"1.0.0","private":true}' >package.json
npm install --no-audit --no-fund --silent dep
node -e 'console.log(require("dep") + 1)'
! npm install --no-audit --no-fund --silent --fetch-retries=0 --registry="https://$OTHER/npm/" dep2 >refused 2>&1
echo refused
