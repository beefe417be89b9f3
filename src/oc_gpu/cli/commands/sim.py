"""`oc-gpu sim`: a simulated OpenShift on this machine."""

import json

import click

from oc_gpu.cli import completing
from oc_gpu.cli.options import Command, output_options, pass_settings
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import UsageError
from oc_gpu.report import output
from oc_gpu.report import simulations as report
from oc_gpu.sim import instances

SCENARIO = click.option(
    "-s",
    "--scenario",
    metavar="NAME|FILE",
    default="ocp-4.20",
    show_default=True,
    help="A built-in scenario (seed, ocp-4.20, no-gpu) or a file.",
    shell_complete=completing.scenarios,
)


WARNING = "pods that ask for it run on this machine as you, and no sandbox holds them"
RUN_PODS = click.option(
    "--run-pods",
    is_flag=True,
    help="Run pods annotated with oc-gpu.io/run-locally=true as processes of this machine.",
)


@click.group("sim", short_help="A simulated OpenShift on this machine.")
def command() -> None:
    """Run a simulated OpenShift on this machine: no network, no container engine, no GPU.

    kubectl, oc and oc-gpu use it unchanged. Its times are simulated, nothing on it is measured.
    """


@command.command("up", cls=Command)
@click.argument("name", default="sim")
@SCENARIO
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Simulated seconds a second; without it, waiting is leaped over.",
)
@RUN_PODS
@output_options
@pass_settings
def up(
    settings: Settings,
    name: str,
    scenario: str,
    speed: float | None,
    run_pods: bool,  # noqa: FBT001  (click passes it by name)
) -> None:
    """Start a simulated cluster that stays until it is taken down."""
    made = instances.up(name, scenario, speed=speed, run_pods=run_pods)
    if run_pods:
        output.say(WARNING)
    document = report.Started(
        name=made.name,
        scenario=made.scenario,
        kubeconfig=made.kubeconfig,
        pid=made.pid,
        server=made.url,
    )
    output.put(document, report.started, settings.output, settings.color)


@command.command("down", cls=Command)
@click.argument("name", default="sim", shell_complete=completing.simulations)
def down(name: str) -> None:
    """Take a simulated cluster down and remove what it left on this machine."""
    said = "is gone" if instances.down(name) else "did not run"
    output.say(f"simulation {name} {said}")


@command.command("list", cls=Command)
@output_options
@pass_settings
def list_(settings: Settings) -> None:
    """List the simulated clusters of this user that run."""
    found = report.Simulations(
        items=tuple(
            report.Simulation(
                name=one.name,
                scenario=one.scenario,
                kubeconfig=one.kubeconfig,
                pid=one.pid,
                server=one.url,
            )
            for one in instances.running()
        )
    )
    output.put(found, report.table, settings.output, settings.color)


@command.command("kubeconfig", cls=Command)
@click.argument("name", default="sim", shell_complete=completing.simulations)
def kubeconfig(name: str) -> None:
    """Print the path of a simulated cluster's kubeconfig."""
    click.echo(instances.kubeconfig(name))


@command.command("exec", cls=Command, context_settings={"ignore_unknown_options": True})
@SCENARIO
@RUN_PODS
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def exec_(scenario: str, run_pods: bool, words: tuple[str, ...]) -> int:  # noqa: FBT001
    """Run a command on a fresh simulated cluster and take it down.

    KUBECONFIG is set for the command; its exit code is returned.
    """
    if run_pods:
        output.say(WARNING)
    return instances.execute(scenario, words, run_pods=run_pods)


@command.command("fault", cls=Command)
@click.argument("name", shell_complete=completing.simulations)
@click.argument("action", type=click.Choice(["add", "remove", "list"]))
@click.argument("fault", required=False, shell_complete=completing.faults)
@output_options
@pass_settings
def fault_(settings: Settings, name: str, action: str, fault: str | None) -> None:
    """Let something go wrong on a running simulated cluster, or set it right again.

    A fault changes facts, such as a card that is lost or a registry that refuses; what is seen of
    it follows. `list` shows all of them.
    """
    from oc_gpu.sim import control  # noqa: PLC0415  (only this command pays)

    if (fault is None) != (action == "list"):
        message = f"`{action}` takes no fault" if fault else f"`{action}` needs the name of a fault"
        raise UsageError(message, hints=(f"oc-gpu sim fault {name} list shows them",))
    change = {"add": control.add, "remove": control.remove}.get(action)
    active = control.active(name) if change is None or fault is None else change(name, fault)
    document = report.Faults(
        name=name,
        items=tuple(
            report.Fault(name=one.name, says=one.says, untold=one.untold, active=one.name in active)
            for one in control.every()
        ),
    )
    output.put(document, report.faults, settings.output, settings.color)


@command.command("schema", cls=Command)
def schema() -> None:
    """Print the JSON Schema of a scenario, for editors."""
    from oc_gpu.sim import scenario  # noqa: PLC0415  (only this command pays)

    click.echo(json.dumps(scenario.schema(), indent=2))
