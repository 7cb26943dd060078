[[ ${GH_ENTERPRISE_TOKEN:0:4} == ghp_ && ${#GH_ENTERPRISE_TOKEN} == 40 ]] && echo shaped
export GH_HOST=$FORGE GH_CONFIG_DIR=$PWD/gh GH_NO_UPDATE_NOTIFIER=1 NO_COLOR=1
gh api user --jq .login
gh api graphql -f query='{viewer{login}}' --jq .data.viewer.login
