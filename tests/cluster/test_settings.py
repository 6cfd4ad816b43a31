"""What a cluster may be asked for, and what is said of what it may not."""

import pickle
from pathlib import Path

import pytest
import ray
import yaml

from alignatt4llm.cluster.app import application, build
from alignatt4llm.cluster.settings import NAMES, ClusterSettings, span
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.settings.system import System

TOKEN = "a-token-that-is-long-enough-0123"
DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize(
    ("spelled", "found"), [("1", (1, 1)), (3, (3, 3)), ("2:10", (2, 10)), ("4:4", (4, 4))]
)
def test_numbers_of_replicas(spelled, found):
    assert span(spelled) == found


@pytest.mark.parametrize("spelled", ["", "0", "-1", "two", "3:2", "0:4", "1:2:3", "1.5", ":", "2:"])
def test_what_is_no_number_of_replicas(spelled):
    with pytest.raises(UsageError, match=r"is no number of replicas; write 2, or 2:10"):
        span(spelled)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"modle": "scripted"}, "There is no argument 'modle'. There are: "),
        ({"preset": "huge"}, "There is no preset 'huge'. There are: "),
        ({"engine": "abacus"}, "There is no engine 'abacus'. There are: "),
        ({"model": "auto"}, "Name a model: 'auto' may be another one on every machine."),
        ({"preset": "auto", "model": "auto"}, "Name a model: "),
        ({"places": 0}, "'places' is 0; it must be above 0"),
        ({"hours": -1}, "'hours' is -1; it must be above 0"),
        ({"engine_gpus": -0.5}, "'engine_gpus' is -0.5; it must be 0 or more"),
        ({"session_cpus": float("nan")}, "'session_cpus' is nan; it must be 0 or more"),
        ({"engine_gpus": 1.5}, "'engine_gpus' is 1.5; it must be a share of one, or whole."),
        ({"session_replicas": "many"}, "'many' is no number of replicas"),
        ({"places": "many"}, "An argument is of the wrong kind"),
        ({"heads": "/nowhere.json"}, "/nowhere.json"),
        ({"origins": ["nonsense"]}, "nonsense"),
        (
            {"origins": 5},
            "An argument is of the wrong kind: 'origins' is 5; it must be a list of texts.",
        ),
        ({"origins": "https://a.example"}, "'origins' is 'https://a.example'; it must be a list"),
        ({"origins": [5]}, "'origins' is [5]; it must be a list of texts."),
        ({"to": [5]}, "'to' is [5]; it must be a text or a list of texts."),
        ({"to": "xx"}, "xx"),
        ({"source": "xx", "to": "de"}, "xx"),
        ({"source": "en", "to": "en"}, "English"),
        ({"policy": "guess"}, "guess"),
        ({"policy": "wait-k:many"}, "'wait-k:many': many is not a number."),
        ({"policy": "sentence:3"}, "'sentence:3': sentence takes no number."),
        ({"policy": 3}, "'policy' is 3; it must be a text."),
        ({"prompt": "essay"}, "There is no prompt 'essay'; choose "),
        ({"prompt": None}, "'prompt' is None; it must be a text."),
        ({"finality": "soon"}, "'finality' is 'soon'; it must be one of agreement, attention."),
        ({"recognizer_engine": "abacus"}, "it must be one of transformers, vllm."),
        ({"head_count": "four"}, "'head_count' is 'four'; it must be a whole number."),
        ({"head_count": -1}, "'head_count' is -1; it must be 0 or more."),
        ({"calibration": "no"}, "'calibration' is 'no'; it must be true or false."),
        ({"gpu_layers": 1.5}, "'gpu_layers' is 1.5; it must be a whole number or null."),
        ({"streams": 1.5}, "'streams' is 1.5; it must be a whole number."),
        ({"streams": True}, "'streams' is True; it must be a whole number."),
        ({"engine_cpus": "2"}, "'engine_cpus' is '2'; it must be a number."),
        ({"engine_replicas": [1, 4]}, "it must be a number, or bounds such as 2:10."),
        ({"recognizer": 7}, "'recognizer' is 7; it must be a text."),
        ({"model": ["scripted"]}, "'model' is ['scripted']; it must be a text."),
        ({"transcripts": "ftp://host/0"}, "Transcripts cannot be kept at 'ftp://"),
        ({"transcripts": 5}, "'transcripts' is 5; it must be a path or a text."),
        ({"transcripts": "transcripts"}, "'transcripts' is 'transcripts'; write the"),
        ({"heads": "heads.json"}, "'heads' is 'heads.json'; write the whole path"),
        ({"adapter": "mine"}, "'adapter' is 'mine'; write the whole path"),
        ({"adapter": "/nowhere"}, "/nowhere"),
        ({"audio_heads": "./a.json"}, "'audio_heads' is './a.json'; write the whole path"),
        ({"model": "./mine"}, "'model' is './mine'; write the whole path"),
        ({"recognizer": "../mine"}, "'recognizer' is '../mine'; write the whole path"),
    ],
)
def test_arguments_that_cannot_be(arguments, said, monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    with pytest.raises(AlignattError) as refused:
        ClusterSettings.of({"model": "scripted", **arguments})
    assert said in str(refused.value)


@pytest.mark.parametrize("kept", [None, "", "  "])
@pytest.mark.parametrize("given", [{}, {"without_token": False}, {"without_token": "no"}])
def test_nobody_serves_without_a_token_unasked(kept, given, monkeypatch):
    monkeypatch.delenv("ALIGNATT_TOKEN", raising=False)
    if kept is not None:
        monkeypatch.setenv("ALIGNATT_TOKEN", kept)
    with pytest.raises(UsageError, match=r"^There is no token; set ALIGNATT_TOKEN in the env"):
        build({"model": "scripted", **given})
    assert build({"model": "scripted", "without_token": True})


def test_a_token_is_handed_to_session_replicas(monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    assert deployments(build({"model": "scripted"}))["sessions"].init_args[1] == TOKEN


@pytest.mark.parametrize("name", ["model", "recognizer", "transcripts", "audio_heads"])
def test_the_home_folder_may_be_written_short(name, monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    found = ClusterSettings.of({"model": "scripted", name: "~/mine"})
    place = found.transcripts if name == "transcripts" else getattr(found.system, name)
    assert str(place) == str(Path("~/mine").expanduser())


def test_arguments_become_settings(monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    found = ClusterSettings.of(
        {"model": "scripted", "engine_replicas": "1:4", "places": 30, "source": "fr", "to": "de"}
    )
    assert found.system.model == "scripted" and found.system.recognizer == "scripted"
    assert found.engine_replicas == (1, 4) and found.defaults.targets == ("de",)
    assert found.cpus == 2 * 0.5 + 1.0 and found.gpus == 0
    assert pickle.loads(pickle.dumps(found)) == found


def deployments(app):
    from ray.serve._private.build_app import build_app

    built = build_app(app, name="alignatt")
    return {each.name: each for each in built.deployments}


def test_replicas_are_scaled_by_sessions_within_bounds():
    settings = ClusterSettings(
        System("scripted"), places=40, session_replicas=(2, 8), engine_replicas=(1, 1)
    )
    found = deployments(application(settings))
    scaling = found["sessions"]._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (2, 8)
    assert scaling.target_ongoing_requests == 5
    assert found["engine"]._deployment_config.autoscaling_config is None


def test_nobody_waits_in_front_of_a_session_replica_unseen():
    found = deployments(application(ClusterSettings(System("scripted"), places=64)))
    assert found["sessions"]._deployment_config.max_ongoing_requests > 100 * 64


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("serve-*.yaml")), ids=lambda path: path.name)
def test_config_files_are_for_this_application(path, monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    from ray.serve.schema import ServeDeploySchema

    _check(ServeDeploySchema(**yaml.safe_load(path.read_text())))


def test_the_manifest_of_kuberay_is_for_this_application(monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    from ray.serve.schema import ServeDeploySchema

    [service] = [
        each
        for each in yaml.safe_load_all((DEPLOY / "rayservice.yaml").read_text())
        if each["kind"] == "RayService"
    ]
    _check(ServeDeploySchema(**yaml.safe_load(service["spec"]["serveConfigV2"])))
    pods = [service["spec"]["rayClusterConfig"]["headGroupSpec"]]
    pods += service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    for pod in pods:
        [container] = pod["template"]["spec"]["containers"]
        assert "ALIGNATT_TOKEN" in {each["name"] for each in container["env"]}


def _check(schema):
    [app] = schema.applications
    assert app.import_path == f"{build.__module__}:{build.__name__}"
    assert set(app.args) <= set(NAMES)
    found = deployments(build({**app.args, "model": "scripted"}))
    assert {each.name for each in app.deployments} <= set(found)
    assert schema.http_options.request_timeout_s is None


@pytest.mark.parametrize(
    ("addresses", "transcripts", "said"),
    [
        (["10.0.0.1"], None, ""),
        (["10.0.0.1", "10.0.0.1"], None, ""),
        (["10.0.0.1", "10.0.0.2"], "redis://host:6379/0", ""),
        (["10.0.0.1", "10.0.0.2"], "/shared", ""),
        (["10.0.0.1", "10.0.0.2"], None, "The cluster has 2 machines; name transcripts that all"),
        (["a", "b", "a", "c"], None, "The cluster has 3 machines; name transcripts that all"),
    ],
)
def test_sessions_on_several_machines_need_a_common_place(
    addresses, transcripts, said, monkeypatch
):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    nodes = [{"Alive": True, "NodeManagerAddress": each} for each in addresses]
    gone = {"Alive": False, "NodeManagerAddress": "gone"}
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, gone])
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    named = {"transcripts": transcripts} if transcripts else {}
    if not said:
        assert build({"model": "scripted", **named})
        return
    with pytest.raises(UsageError) as refused:
        build({"model": "scripted", **named})
    assert str(refused.value).startswith(said)
