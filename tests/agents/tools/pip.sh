# A package of one's own with its own build backend, installed into a fresh environment, without the network.
python3 -m venv --without-pip env
mkdir -p package/backend package/greeting
cd package
printf '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n' > pyproject.toml
echo 'def hello(): return "hello"' > greeting/__init__.py
cat > backend/__init__.py <<'P'
import os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "greeting-1.0-py3-none-any.whl"
    about = "greeting-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.write("greeting/__init__.py")
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(about + "RECORD", "")
    return name
P
cd ..
python3 -m pip --python env/bin/python install --quiet --no-index --disable-pip-version-check ./package
env/bin/python -c 'import greeting; print(greeting.hello())'
python3 -m pip --python env/bin/python list --disable-pip-version-check --format=freeze
