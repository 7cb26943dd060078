[[ ${NPM_TOKEN:0:4} == npm_ ]] && echo shaped
echo "//$PACKAGES/:_authToken=\${NPM_TOKEN}" >npmrc
export NPM_CONFIG_USERCONFIG=$PWD/npmrc NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_REGISTRY=https://$PACKAGES/
npm whoami
mkdir sample && cd sample
echo '{"name":"sample","version":"1.0.0"}' >package.json
npm publish 2>/dev/null
# another host gets neither the secret nor what stands for it
NPM_CONFIG_REGISTRY=https://$OTHER/ npm whoami "--//$OTHER/:_authToken=$NPM_TOKEN" >/dev/null 2>&1 || echo refused
