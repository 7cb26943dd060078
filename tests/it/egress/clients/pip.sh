# what it verifies by comes before --cert in its own HTTP library
export REQUESTS_CA_BUNDLE=$CA
python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --root-user-action=ignore --cert "$CA" --index-url "https://$WEB/simple" --target lib dep
PYTHONPATH=lib python3 -c 'import dep; print(dep.answer + 1)'
! python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --retries 0 --cert "$CA" --index-url "https://$OTHER/simple" dep >refused 2>&1
echo refused
