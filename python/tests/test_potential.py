"""Energies and forces."""

import threading

import numpy as np
import pytest

import flashschnet as fs


def test_reference_cases(case):
    potential = case.potential
    energies, forces = potential(case.positions)
    case.check(energies, forces)
    assert potential.failed == {}
    terms = potential.terms(case.positions)
    assert list(terms) == potential.term_names
    assert np.allclose(sum(terms.values()), energies, rtol=1e-5, atol=1e-4)


@pytest.fixture(scope="module")
def potential(cloud):
    return fs.Potential(*cloud, backend="cpu")


@pytest.fixture(scope="module")
def x(cloud):
    return np.stack([cloud[1].positions(k) for k in range(3)])


def test_shapes(potential, x):
    energies, forces = potential(x)
    assert energies.shape == (3,) and forces.shape == (3, 29, 3)
    assert energies.dtype == forces.dtype == np.float64
    energy, force = potential(x[1])
    assert np.shape(energy) == () and force.shape == (29, 3)
    assert energy == energies[1] and (force == forces[1]).all()
    assert (potential(x, forces=False) == energies).all()
    assert potential(x[1], forces=False) == energy
    empty = potential(x[:0])
    assert empty[0].shape == (0,) and empty[1].shape == (0, 29, 3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_kinds_of_arrays(potential, x, dtype, order):
    expected = potential(x.astype(dtype).astype(float))
    given = np.array(x, dtype=dtype, order="F" if order == "F" else "C")
    if order == "strided":
        given = np.repeat(given, 2, axis=1)[:, ::2]
    energies, forces = potential(given)
    assert (energies == expected[0]).all() and (forces == expected[1]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_out(potential, x, dtype):
    expected = potential(x)
    out = np.full(3, 7, dtype), np.full((3, 29, 3), 7, dtype)
    found = potential(x, out=out)
    assert found[0] is out[0] and np.shares_memory(found[1], out[1])
    for array, right in zip(out, expected):
        assert (array == right.astype(dtype)).all()
    # A part of an array whose numbers do not follow each other.
    energies, forces = np.zeros(6), np.zeros((3, 29, 6))
    potential(x, out=(energies[::2], forces[:, :, :3]))
    assert (energies[::2] == expected[0]).all() and (energies[1::2] == 0).all()
    assert (forces[:, :, :3] == expected[1]).all() and (forces[:, :, 3:] == 0).all()


def test_wrong_arguments(potential, x):
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    wrong = [
        (dict(positions=x[:, :-1]), "positions: found the shape (3, 28, 3), expected (3, 29, 3)"),
        (dict(positions=x[0, 0]), "positions: found the shape (3,), expected (B, N, 3) or (N, 3)"),
        (dict(positions=x + 1j), "positions: found an array of complex128, expected real numbers"),
        (dict(positions="x"), "positions: found an array of <U1, expected real numbers"),
        (dict(positions=[[1.0], [1.0, 2.0]]), "expected an array"),
        (dict(positions=x, molecules=[0]), "molecules: found 1, expected 3"),
        (dict(positions=x, molecules=[0, 1, 0]), "molecules[1]: found 1, expected a molecule from 0"),
        (dict(positions=x, out=(np.zeros(2), None)), "out[0]: found the shape (2,), expected (3,)"),
        (dict(positions=x, out=(np.zeros(3, int), None)), "out[0]: found int64"),
        (dict(positions=x, out=(frozen, None)), "out[0]: found an array that cannot be written"),
        (dict(positions=x, out=frozen), "out: found ndarray, expected a pair"),
    ]
    for arguments, message in wrong:
        with pytest.raises(fs.InvalidError) as raised:
            potential(**arguments)
        assert message in str(raised.value)
        assert isinstance(raised.value, ValueError)
        assert raised.value.field and raised.value.expected


def test_a_wrong_conformation_spoils_no_other(potential, x):
    expected = potential(x)
    broken = x.copy()
    broken[1, 4, 2] = np.nan
    energies, forces = potential(broken)
    assert np.isnan(energies[1]) and np.isnan(forces[1]).all()
    assert (energies[[0, 2]] == expected[0][[0, 2]]).all()
    assert (forces[[0, 2]] == expected[1][[0, 2]]).all()
    assert list(potential.failed) == [1]
    assert isinstance(potential.failed[1], fs.InvalidError)
    with pytest.raises(fs.InvalidError, match=r"conformation 1: positions\[4\]") as raised:
        potential(broken, strict=True)
    assert raised.value.field == "positions[4]"
    # The results may replace the positions.
    place = x.copy()
    assert (potential(place, out=(np.zeros(3), place))[1] == expected[1]).all()
    potential(x)
    assert potential.failed == {}


def test_molecules_of_different_sizes():
    network, structures = fs._native.load_case(conftest_case("cloud_h32_f16_k9_gauss_trainable"))
    small = fs.structure(structures.types()[:11], structures.positions()[:11])
    both = fs.Structures.select(structures, [0])
    one = fs.Potential(network, both, backend="cpu")
    other = fs.Potential(network, small, backend="cpu")
    assert other.sizes == [11]
    expected = [one(both.positions()), other(small.positions())]
    mixed = fs.Potential(network, join(both, small), backend="cpu")
    assert mixed.sizes == [29, 11] and mixed.molecules == [0, 1]
    x = [small.positions(), both.positions(), small.positions()]
    energies, forces = mixed(x, molecules=[1, 0, 1])
    assert [len(force) for force in forces] == [11, 29, 11]
    for k, of in enumerate([1, 0, 1]):
        assert energies[k] == expected[of][0] and (forces[k] == expected[of][1]).all()
    out = np.zeros(3), [np.zeros((n, 3), np.float32) for n in (11, 29, 11)]
    assert mixed(x, molecules=[1, 0, 1], out=out)[1] is not None
    assert (out[1][2] == forces[2].astype(np.float32)).all()
    with pytest.raises(fs.InvalidError, match="molecules: found None"):
        mixed(x)
    with pytest.raises(fs.InvalidError, match=r"positions\[0\]: found the shape \(11, 3\)"):
        mixed(x, molecules=[0, 0, 1])


def conftest_case(name):
    from conftest import ROOT

    return ROOT / f"tests/data/{name}.json"


def join(*parts):
    return fs.Structures.join(parts)


def test_threads_share_a_potential(potential, x):
    expected = [potential(x[k : k + 1])[0][0] for k in range(3)]
    found = [[] for _ in range(3)]

    def work(k):
        for _ in range(20):
            found[k].append(potential(x[k : k + 1])[0][0])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[energy] * 20 for energy in expected]


def test_files_and_objects(ww, keyed):
    model, structures = fs.Model(ww[0]), fs.Structures(ww[1])
    assert model.has_network and "bonds" in " ".join(model.priors)
    of_files = fs.Potential(str(ww[0]), ww[1], backend="cpu")
    expected = of_files(structures.positions())
    for given in [(model, structures), (ww[0], structures), (model, ww[1]), fs.load(*ww)]:
        found = fs.Potential(*given, backend="cpu")(structures.positions())
        assert found[0] == expected[0]
    # A PDB file becomes beads of the model.
    assert fs.Potential(*keyed, backend="cpu").sizes == of_files.sizes
    with pytest.raises(fs.IoError) as raised:
        fs.Potential("missing.pt", backend="cpu")
    assert isinstance(raised.value, OSError) and raised.value.filename == "missing.pt"
    assert raised.value.errno == 2 and "missing.pt" in str(raised.value)
    with pytest.raises(fs.InvalidError, match="structures: found None"):
        fs.Potential(model)
    with pytest.raises(fs.OptionError, match="backend"):
        fs.Potential(*ww, backend="quantum")


def test_structures(cloud, ww):
    structures = fs.Structures(ww[1])
    assert len(structures) == len(list(structures)) and len(structures[:1]) == 1
    assert (structures[-1].positions() == structures.positions(-1)).all()
    with pytest.raises(IndexError):
        structures.positions(len(structures))
    lists = structures.lists()
    again = fs.structure(
        structures.types(), structures.positions(), masses=structures.masses(), lists=lists
    )
    assert again.lists() == lists and np.allclose(again.masses(), structures.masses(), rtol=1e-14)
    potentials = [fs.Potential(ww[0], of, backend="cpu") for of in (structures[:1], again)]
    energies = [of(structures.positions())[0] for of in potentials]
    assert energies[0] == energies[1]
    with pytest.raises(fs.InvalidError, match="distinct beads"):
        fs.structure([1, 1], np.zeros((2, 3)), lists={"bonds": [[0, 0]]})
    with pytest.raises(fs.InvalidError, match="positions"):
        fs.structure([1, 1], np.zeros((3, 3)))
    for order, beads in [(2, [0, 1, 5]), (3, [0, 1]), (5, [0, 1, 2, 3, 4])]:
        with pytest.raises(fs.InvalidError, match="list bonds: found others"):
            fs.Structures.from_arrays([1, 1], np.zeros((2, 3)), [], [("bonds", order, [beads])], None)
